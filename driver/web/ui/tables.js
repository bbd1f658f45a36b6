// The tables of the other views: what was done is told, and rows stay in place.

import { $, el, fill, onRoute, route, toast } from './page.js';
import { call } from './proxy.js';

const POLL = 2000;

// inSight loads a view when it is opened, and again and again while it is seen.
export function inSight(view, load) {
	const look = () => route.view === view && !document.hidden && load().catch(() => {});
	onRoute(look);
	setInterval(look, POLL);
}

// then gives a function that calls a method, says what it answered, and does f.
export const then = f => async (...args) => {
	toast(await call(...args));
	f();
};

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
