// Toasts, questions and menus.

import { $, el } from './dom.js';

let timer;

// toast says what happened, for a while; links may follow the text.
export function toast(text, ...more) {
	const box = $('toast');
	box.replaceChildren(text, ...more);
	box.className = 'shown';
	clearTimeout(timer);
	timer = setTimeout(() => { box.className = ''; }, 5000);
}

export function complain(error) {
	toast(error.message);
	$('toast').className = 'shown bad';
}

// attempt runs f and says so if it fails.
export async function attempt(f) {
	try {
		return await f();
	} catch (e) {
		complain(e);
	}
}

// sure asks before something is lost.
export function sure(question, verb) {
	const box = $('confirm');
	$('confirm-text').textContent = question;
	$('confirm-ok').textContent = verb;
	box.returnValue = '';
	box.showModal();
	return new Promise(done => box.addEventListener('close', () => done(box.returnValue === 'ok'), { once: true }));
}

// menu shows choices below a button: [label, action] or [label, action, class].
export function menu(anchor, choices) {
	const box = $('menu');
	box.replaceChildren(...choices.map(([label, action, style = '']) => el('button', {
		type: 'button', role: 'menuitem', className: style, disabled: !action,
		onclick() {
			box.hidePopover();
			action();
		},
	}, label)));
	popup(box, anchor);
	box.querySelector(':enabled')?.focus();
}

// popup shows a popover below an element, within the window.
export function popup(box, anchor) {
	box.showPopover();
	const at = anchor.getBoundingClientRect();
	box.style.left = `${Math.max(4, Math.min(at.left, innerWidth - box.offsetWidth - 4))}px`;
	box.style.top = `${Math.max(4, Math.min(at.bottom + 4, innerHeight - box.offsetHeight - 4))}px`;
}

// Arrow keys move within menus.
$('menu').addEventListener('keydown', e => {
	const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
	if (!step) return;
	e.preventDefault();
	const all = [...e.currentTarget.querySelectorAll(':enabled')];
	all.at((all.indexOf(document.activeElement) + step) % all.length)?.focus();
});

export async function copy(text, what) {
	try {
		await navigator.clipboard.writeText(text);
	} catch { // no secure context, as when the proxy is another machine's
		const box = el('textarea', { value: text });
		document.body.append(box);
		box.select();
		document.execCommand('copy');
		box.remove();
	}
	toast(`Copied ${what}.`);
}
