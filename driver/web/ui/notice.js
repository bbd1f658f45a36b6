// Toasts, menus and popups.

import { $, button, fill } from './dom.js';

let timer;

// toast says what happened, for a while.
export function toast(text, style = '') {
	fill($('toast'), text).className = style;
	clearTimeout(timer);
	timer = setTimeout(toast, 5000, '');
}

export const complain = e => toast(e.message, 'bad');

// attempt runs f and says what it gives, or why it failed.
export async function attempt(f) {
	try {
		const text = await f();
		if (text) toast(text);
	} catch (e) {
		complain(e);
	}
}

// popup shows something below an element, within the window.
export function popup(anchor, ...content) {
	const box = fill($('popup'), content), at = anchor.getBoundingClientRect();
	box.showPopover();
	box.style.left = `${Math.max(4, Math.min(at.left, innerWidth - box.offsetWidth - 4))}px`;
	box.style.top = `${Math.min(at.bottom + 4, innerHeight - box.offsetHeight - 4)}px`;
	box.querySelector(':enabled')?.focus();
}

// menu offers [label, action]; without an action it cannot be chosen.
export const menu = (anchor, choices) => popup(anchor, choices.map(([label, action]) => button(label, () => {
	$('popup').hidePopover();
	action();
}, { disabled: !action })));

// sure asks before something is lost.
export const sure = (anchor, verb, action) => menu(anchor, [[`Yes, ${verb}`, () => attempt(action)], ['No', () => {}]]);

export async function copy(text) {
	await navigator.clipboard.writeText(text);
	return 'Copied.';
}
