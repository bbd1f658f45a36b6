// Everything by keyboard. In text fields and dialogs keys do what they do.

import { $, el, fill } from './dom.js';

// keyboard takes [keys, what it does, function]; the function gets the event.
export function keyboard(bindings) {
	const actions = new Map(bindings.flatMap(([keys, , f]) => keys.split(' ').map(k => [k === 'Space' ? ' ' : k, f])));
	fill($('keys'), el('h2', 'Keys'), el('dl', bindings.map(([keys, what]) => [el('dt', keys.split(' ').map(k => el('kbd', k))), el('dd', what)])));
	document.addEventListener('keydown', e => {
		const at = e.target;
		if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open], [popover]:popover-open')) return;
		if (at.matches('input:not([type=checkbox], [type=radio]), textarea, select')) {
			if (e.key === 'Escape') $('rows').focus();
			return;
		}
		if (at.matches('button, a, summary, input') && (e.key === ' ' || e.key === 'Enter')) return;
		const f = actions.get(e.key);
		if (f && f(e) !== false) e.preventDefault();
	});
	document.addEventListener('click', e => {
		if (e.target === $('keys-help')) $('keys').showModal();
		else if (e.target === $('keys')) $('keys').close();
	});
}
