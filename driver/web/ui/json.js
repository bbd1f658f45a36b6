// A JSON value as a tree that can be folded, by mouse and by keyboard.

import { el } from './dom.js';

const CHUNK = 200; // children shown at once
const OPEN = 60; // up to how many children are unfolded at the start

// A Literal is a number that JavaScript cannot hold, as it was written.
class Literal {
	constructor(source) {
		this.source = source;
	}
}

// parse is JSON.parse that keeps long numbers; undefined when it is no JSON.
export function parse(text) {
	try {
		return JSON.parse(text, (_, v, context) => typeof v === 'number' && context?.source.length > 15 && String(v) !== context.source ? new Literal(context.source) : v);
	} catch {
		return undefined;
	}
}

const isBranch = v => v !== null && typeof v === 'object' && !(v instanceof Literal);

// pretty is the value as indented text.
export function pretty(v, indent = '') {
	if (v instanceof Literal) return v.source;
	if (!isBranch(v)) return JSON.stringify(v);
	const inner = `${indent}  `;
	const parts = Array.isArray(v) ? v.map(x => pretty(x, inner)) : Object.entries(v).map(([k, x]) => `${JSON.stringify(k)}: ${pretty(x, inner)}`);
	const [open, close] = Array.isArray(v) ? '[]' : '{}';
	return parts.length ? `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}` : open + close;
}

export function tree(value) {
	const root = el('ul.json', { role: 'tree', tabIndex: -1 }, item(null, value));
	root.firstChild.tabIndex = 0;
	let room = OPEN;
	const unfold = li => {
		if (!li.children_ || (room -= li.children_.length) < 0 && li !== root.firstChild) return;
		toggle(li, true);
		for (const child of li.lastChild.children) unfold(child);
	};
	unfold(root.firstChild);
	root.addEventListener('click', e => {
		const li = e.target.closest('li');
		if (li && !getSelection().toString()) {
			act(li);
			focus(root, li);
		}
	});
	root.addEventListener('keydown', e => key(e, root));
	return root;
}

function item(name, value) {
	const label = el('span.label', name !== null && [el('span.key', String(name)), ': '], leaf(value));
	const li = el('li', { role: 'treeitem', tabIndex: -1 }, label);
	if (isBranch(value)) {
		li.children_ = Object.entries(value);
		li.setAttribute('aria-expanded', 'false');
	}
	return li;
}

function leaf(v) {
	if (isBranch(v)) {
		const n = Object.keys(v).length;
		return el('span.size', Array.isArray(v) ? `[${n}]` : `{${n}}`);
	}
	const kind = v instanceof Literal ? 'number' : v === null ? 'null' : typeof v;
	return el(`span.${kind}`, v instanceof Literal ? v.source : JSON.stringify(v));
}

function toggle(li, open) {
	if (!li.children_) return;
	li.setAttribute('aria-expanded', open);
	if (open && li.children.length < 2) {
		const list = el('ul', { role: 'group' });
		li.append(list);
		more(list, li.children_, 0);
	}
}

function more(list, entries, from) {
	for (const [k, v] of entries.slice(from, from + CHUNK)) list.append(item(k, v));
	const rest = entries.length - from - CHUNK;
	if (rest <= 0) return;
	const li = el('li.more', { role: 'treeitem', tabIndex: -1 }, `${rest} more`);
	li.act = () => {
		const before = li.previousSibling;
		li.remove();
		more(list, entries, from + CHUNK);
		before.nextSibling.focus();
	};
	list.append(li);
}

function act(li) {
	if (li.act) li.act();
	else toggle(li, li.getAttribute('aria-expanded') === 'false');
}

function focus(root, li) {
	if (!li?.isConnected) return;
	root.querySelector('[tabindex="0"]')?.setAttribute('tabindex', -1);
	li.tabIndex = 0;
	li.focus();
}

function key(e, root) {
	const li = e.target.closest('li');
	if (!li || e.ctrlKey || e.metaKey || e.altKey) return;
	const open = li.getAttribute('aria-expanded') === 'true';
	const shown = [...root.querySelectorAll('li')].filter(n => !n.parentNode.closest('[aria-expanded="false"]'));
	const at = shown.indexOf(li);
	switch (e.key) {
		case 'ArrowDown': focus(root, shown[at + 1]); break;
		case 'ArrowUp': focus(root, shown[at - 1]); break;
		case 'ArrowRight': if (open) focus(root, shown[at + 1]); else toggle(li, true); break;
		case 'ArrowLeft': if (open) toggle(li, false); else focus(root, li.parentNode.closest('li')); break;
		case 'Home': focus(root, shown[0]); break;
		case 'End': focus(root, shown.at(-1)); break;
		case 'Enter': case ' ': act(li); break;
		default: return;
	}
	e.preventDefault();
	e.stopPropagation();
}
