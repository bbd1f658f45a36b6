// Everything by keyboard. In text fields and dialogs keys do what they do.

import { $, el, fill } from './dom.js';

// keyboard takes [keys, what they do, function]. One that gives false leaves
// the key to the browser.
export function keyboard(bindings) {
	const box = $('keys'), actions = {};
	for (const [keys, , f] of bindings) for (const k of keys.split(' ')) actions[k] = f;
	fill(box, el('dl', bindings.map(([keys, what]) => [el('dt', keys.split(' ').map(k => el('kbd', k))), el('dd', what)])));
	box.onclick = () => box.close();
	document.addEventListener('keydown', e => {
		if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open], :popover-open')) return;
		const key = e.key === ' ' ? 'Space' : e.key, f = actions[key];
		if (e.target.matches('input:not([type=checkbox]), textarea, select')) {
			if (key === 'Escape') $('rows').focus();
		} else if (f && !(e.target.matches('button, a, summary, input') && /Space|Enter/.test(key)) && f(e) !== false) {
			e.preventDefault();
		}
	});
}
