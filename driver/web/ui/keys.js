// Everything by keyboard. In text fields and dialogs keys do what they do.

import { $, el, fill } from './dom.js';

// keyboard takes [keys, what they do, function, button that does the same]. A
// function that gives false leaves the key to the browser.
export function keyboard(bindings) {
	const box = $('keys'), actions = {};
	for (const [keys, what, f, id] of bindings) {
		for (const k of keys.split(' ')) actions[k] = f;
		if (id) Object.assign($(id), { onclick: f, title: `${what} (${keys})` });
	}
	fill(box, el('dl', bindings.map(([keys, what]) => [el('dt', keys.split(' ').map(k => el('kbd', k))), el('dd', what)])));
	box.onclick = () => box.close();
	onkeydown = e => {
		if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open], :popover-open')) return;
		const key = e.key === ' ' ? 'Space' : e.key, f = actions[key];
		if (e.target.matches('input:not([type=checkbox]), textarea, select')) {
			if (key === 'Escape') $('rows').focus();
		} else if (f && !(e.target.matches('button, a, summary, input') && /Space|Enter/.test(key)) && f(e) !== false) {
			e.preventDefault();
		}
	};
}
