// A JSON value as a tree that can be folded, by mouse and by keyboard.

import { el } from './page.js';

const CHUNK = 200; // children shown at once
const OPEN = 60; // how many are unfolded at the start

// parse keeps numbers as they were written. It returns undefined for a text that is not JSON.
export function parse(text) {
	try {
		return JSON.parse(text, (_, v, context) => typeof v === 'number' && JSON.rawJSON && String(v) !== context.source ? JSON.rawJSON(context.source) : v);
	} catch {
		return undefined;
	}
}

export const pretty = v => JSON.stringify(v, null, 2);

export const isBranch = v => v !== null && typeof v === 'object' && !JSON.isRawJSON?.(v);

export function tree(value) {
	const root = el('ul.json', { role: 'tree' }, item(null, value));
	let room = OPEN;
	(function unfold(li) {
		if (!li.entries || (room -= li.entries.length) < 0 && li !== root.firstChild) return;
		toggle(li);
		[...li.lastChild.children].forEach(unfold);
	})(root.firstChild);
	root.firstChild.tabIndex = 0;
	root.onclick = e => {
		const li = e.target.closest('li');
		if (!li || String(getSelection())) return;
		toggle(li);
		li.focus();
	};
	root.onkeydown = key;
	return root;
}

function item(name, value) {
	const li = el('li', { role: 'treeitem', tabIndex: -1 }, name !== null && [el('b', name), ': ']);
	if (isBranch(value)) {
		li.entries = Object.entries(value);
		li.ariaExpanded = false;
		li.append(Array.isArray(value) ? `[${li.entries.length}]` : `{${li.entries.length}}`);
	} else {
		li.append(el(typeof value === 'string' ? 'span.string' : 'span.number', pretty(value)));
	}
	return li;
}

const isOpen = li => li.ariaExpanded === 'true';

function toggle(li) {
	li.more?.();
	if (!li.entries) return;
	li.ariaExpanded = !isOpen(li);
	if (li.querySelector('ul')) return;
	const list = el('ul', { role: 'group' });
	li.append(list);
	append(list, li.entries);
}

function append(list, entries) {
	list.append(...entries.slice(0, CHUNK).map(([k, v]) => item(k, v)));
	const rest = entries.slice(CHUNK);
	if (!rest.length) return;
	const li = el('li', { role: 'treeitem', tabIndex: -1 }, `… ${rest.length} more`);
	list.append(li);
	li.more = () => {
		li.remove();
		append(list, rest);
	};
}

function key(e) {
	const li = e.target, shown = [...this.querySelectorAll('li')].filter(n => n.checkVisibility()), at = shown.indexOf(li), open = isOpen(li);
	switch (e.key) {
		case 'ArrowDown': shown[at + 1]?.focus(); break;
		case 'ArrowUp': shown[at - 1]?.focus(); break;
		case 'ArrowRight': open ? shown[at + 1]?.focus() : toggle(li); break;
		case 'ArrowLeft': open ? toggle(li) : li.parentNode.closest('li')?.focus(); break;
		case 'Enter': case ' ': toggle(li); break;
		default: return;
	}
	e.preventDefault();
	e.stopPropagation();
}
