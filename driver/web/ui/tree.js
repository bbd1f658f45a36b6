// A tree of values as render_body makes it, which can be folded by mouse and by keyboard.
// The elements of a branch are made when it is unfolded.

import { el } from './page.js';

const CHUNK = 200; // children shown at once
const OPEN = 60; // how many are unfolded at the start

const isBranch = node => node.kind === 'object' || node.kind === 'list';

export function tree(node) {
	const root = el('ul.json', { role: 'tree' }, item('', node));
	let room = OPEN;
	(function unfold(li) {
		if (!li.nodes || (room -= li.nodes.length) < 0 && li !== root.firstChild) return;
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

function item(name, node) {
	const { kind, text = '', note, preview, nodes } = node, n = nodes?.length || 0;
	const li = el('li', { role: 'treeitem', tabIndex: -1 }, name !== '' && [el('b', name), ': '],
		isBranch(node) ? [kind === 'list' ? `[${n}]` : `{${n}}`, n > 0 && el('span.preview', preview)]
			: el(kind === 'string' ? 'span.string' : 'span.number', kind === 'string' ? JSON.stringify(text) : text),
		note && el('small', note));
	if (!n) return li;
	li.nodes = nodes.map((child, i) => [kind === 'list' ? `${i}` : child.name ?? '""', child]);
	li.ariaExpanded = false;
	return li;
}

const isOpen = li => li.ariaExpanded === 'true';

function toggle(li) {
	li.more?.();
	if (!li.nodes) return;
	li.ariaExpanded = !isOpen(li);
	if (li.querySelector('ul')) return;
	const list = el('ul', { role: 'group' });
	li.append(list);
	append(list, li.nodes);
}

function append(list, nodes) {
	list.append(...nodes.slice(0, CHUNK).map(([name, node]) => item(name, node)));
	const rest = nodes.slice(CHUNK);
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

// indented returns a node as JSON in lines.
export function indented({ kind, text = '', nodes = [] }, indent = '') {
	if (kind === 'string') return JSON.stringify(text);
	if (kind !== 'list' && kind !== 'object') return text;
	const [from, to] = kind === 'list' ? '[]' : '{}', deeper = `${indent}  `;
	const lines = nodes.map(n => `\n${deeper}${kind === 'object' ? `${JSON.stringify(n.name ?? '')}: ` : ''}${indented(n, deeper)}`);
	return lines.length ? `${from}${lines}\n${indent}${to}` : from + to;
}
