// Elements without markup: what comes from the network is only ever text.

export const $ = id => document.getElementById(id);

// el makes an element: el('td.num', {title: 'bytes'}, '12'). Names with a dash
// become attributes, all others properties; the properties may be left out.
export function el(spec, props, ...children) {
	if (props === undefined || props === null || typeof props !== 'object' || props instanceof Node || Array.isArray(props)) {
		children.unshift(props);
		props = {};
	}
	const [tag, ...classes] = spec.split('.');
	const node = document.createElement(tag);
	node.className = classes.join(' ');
	for (const [name, value] of Object.entries(props)) {
		if (name.includes('-')) node.setAttribute(name, value);
		else node[name] = value;
	}
	fill(node, children);
	return node;
}

// fill replaces what a node holds; null and false are left out.
export function fill(node, ...children) {
	node.replaceChildren(...children.flat(9).filter(c => c || c === ''));
	return node;
}

// keyed makes the children of parent those of items, in order. Nodes of keys
// that were there before stay, and with them focus and selection.
export function keyed(parent, items, keyOf, make, update) {
	const old = new Map([...parent.children].map(n => [n.dataset.key, n]));
	const kept = new Set(items.map(keyOf));
	for (const [key, node] of old) if (!kept.has(key)) node.remove();
	let at = parent.firstElementChild;
	for (const item of items) {
		const key = keyOf(item);
		let node = old.get(key);
		if (!node) {
			node = make(key);
			node.dataset.key = key;
		}
		update(node, item);
		if (node === at) at = at.nextElementSibling;
		else parent.insertBefore(node, at);
	}
}

// pairs makes a table of [name, value] rows; null when there are none.
export function pairs(rows) {
	rows = rows?.filter(Boolean);
	return rows?.length ? el('table.pairs', el('tbody', rows.map(([n, v]) => el('tr', el('th', { scope: 'row' }, n), el('td', v))))) : null;
}

// section is a part of a panel that can be folded; null when it is empty.
export const section = (title, content) => content && el('details.part', { open: true }, el('summary', title), content);

export const button = (label, onclick, props = {}) => el('button', { type: 'button', onclick, ...props }, label);

// later gives a function that runs f once, ms after it was last called.
export function later(ms, f) {
	let timer;
	return (...args) => {
		clearTimeout(timer);
		timer = setTimeout(f, ms, ...args);
	};
}
