// The tables of the other views. Rows stay in their places when a table is loaded again.

import { $, el, fill, onRoute, route, toast } from './page.js';
import { onStatus } from './proxy.js';
import { call } from './source.js';

// inSight loads a view when it is opened, and while it is visible with each change of the
// status, which counts the changes of all lists. One load ends before the next begins.
export function inSight(view, load) {
	let loading, again;
	async function look() {
		if (route.view !== view || document.hidden) return;
		again = loading;
		if (loading) return;
		loading = true;
		await load().catch(() => {});
		loading = false;
		if (again) look();
	}
	onRoute(look);
	onStatus(look);
}

// then returns a function that calls a method, shows its answer, and calls f.
export const then = f => async (...args) => {
	toast(await call(...args));
	f();
};

// keyed shows one row for each item. A row whose key was there before is kept, with
// its focus and selection.
export function keyed(name, items, key, make, update) {
	const body = $(`${name}-rows`), old = new Map([...body.children].map(n => [n.dataset.key, n]));
	$(`${name}-none`).hidden = items.length;
	const rows = items.map(item => {
		const row = old.get(item[key]) || el('tr', { 'data-key': item[key] }, make(item[key]).map(cell => el('td', cell)));
		update(item, ...row.children);
		return row;
	});
	if (rows.length === old.size && rows.every((r, i) => r === body.children[i])) return;
	const at = document.activeElement;
	fill(body, rows);
	if (body.contains(at)) at.focus();
}
