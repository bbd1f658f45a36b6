// Toasts, menus and popups.

import { call } from './api.js';
import { $, button, fill } from './dom.js';

let timer;

// toast says what happened: for a while, unless it is a failure.
export function toast(text, bad = /not found|^(Error|Failed|Invalid|Unknown)/.test(text)) {
	fill($('toast'), text).className = bad ? 'bad' : '';
	clearTimeout(timer);
	if (!bad) timer = setTimeout(toast, 5000, '');
}
$('toast').onclick = () => toast('');

// What fails and nobody else deals with is said.
onunhandledrejection = e => toast(e.reason.message, true);

// then gives a function that calls a method, says what it answered, and does f.
export const then = f => async (...args) => {
	toast(await call(...args));
	f();
};

// popup shows something below an element, within the window.
export function popup(anchor, ...content) {
	const box = fill($('popup'), content), at = anchor.getBoundingClientRect();
	box.showPopover();
	box.style.left = `${Math.max(4, Math.min(at.left, innerWidth - box.offsetWidth - 4))}px`;
	box.style.top = `${Math.min(at.bottom + 4, innerHeight - box.offsetHeight - 4)}px`;
	box.querySelector(':enabled')?.focus();
}

export const menu = (anchor, choices) => popup(anchor, choices.map(([label, action]) => button(label, () => {
	$('popup').hidePopover();
	action();
}, { disabled: !action })));

export const sure = (anchor, what, action) => menu(anchor, [[`Yes, ${what}`, action], ['No', () => {}]]);

export async function copy(text) {
	await navigator.clipboard.writeText(text);
	toast('Copied.');
}
