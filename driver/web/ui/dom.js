// What is shown: elements, made without markup, and numbers as text.

export const $ = id => document.getElementById(id);

// el makes an element: el('td.num', {title: 'bytes'}, '12'). Names with a dash
// become attributes, others properties. The properties may be left out.
export function el(spec, ...children) {
	const [tag, ...classes] = spec.split('.'), node = document.createElement(tag);
	node.className = classes.join(' ');
	if (children[0]?.constructor === Object) {
		for (const [name, value] of Object.entries(children.shift())) {
			if (name.includes('-')) node.setAttribute(name, value);
			else node[name] = value;
		}
	}
	return fill(node, children);
}

// fill replaces what a node holds; what is false, null or 0 is left out.
export function fill(node, ...children) {
	node.replaceChildren(...children.flat(9).filter(Boolean));
	return node;
}

export const button = (label, onclick, props) => el('button', { onclick, ...props }, label);

// keyed makes the rows of a table those of items, by their keys. Rows that were
// there before stay, and with them focus and selection.
export function keyed(name, items, key, make, update) {
	const body = $(`${name}-rows`), old = new Map([...body.children].map(n => [n.dataset.key, n]));
	$(`${name}-none`).hidden = items.length;
	const rows = items.map(item => {
		const row = old.get(item[key]) || el('tr', { 'data-key': item[key] }, make(item[key]).map(cell => el('td', cell)));
		update(item, ...row.children);
		return row;
	});
	if (rows.length !== old.size || rows.some((r, i) => r !== body.children[i])) fill(body, rows);
}

export const pairs = rows => rows?.length > 0 && el('table.pairs', rows.map(r => r && el('tr', el('th', r[0]), el('td', r[1]))));

export const section = (title, content) => content && el('details.part', { open: true }, el('summary', title), content);

// later gives a function that runs f once, a moment after it was last called.
export function later(f) {
	let timer;
	return () => {
		clearTimeout(timer);
		timer = setTimeout(f, 200);
	};
}

export function bytes(n = 0) {
	for (const unit of ['B', 'KB', 'MB']) {
		if (n < 1000) return `${n.toFixed(n < 10 && n % 1 ? 1 : 0)} ${unit}`;
		n /= 1024;
	}
	return `${n.toFixed(1)} GB`;
}

export const millis = ms => ms < 1 ? `${Math.round(ms * 1000)} µs` : ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`;

export function date(epoch) {
	const t = new Date(epoch * 1000);
	return new Date(t - t.getTimezoneOffset() * 60000).toISOString().slice(0, 23).replace('T', ' ');
}

export const clock = epoch => date(epoch).slice(11);

export const count = n => (n || 0).toLocaleString('en');

export const hex = byte => byte.toString(16).padStart(2, '0');
