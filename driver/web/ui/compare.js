// Two exchanges beside each other: #/compare/FIRST/SECOND.

import { decode, fetchBody } from './body.js';
import { diffView, lines } from './diff.js';
import { readable } from './json.js';
import { statusOf, verdict } from './list.js';
import { $, bytes, date, el, fill, go, millis, onRoute, route, section } from './page.js';
import { call } from './source.js';

const WHOLE = 1 << 20; // bytes of a body that are compared

const times = rows => Object.fromEntries(rows.map(([name, ms]) => [name, millis(ms || 0)]));

// grouped returns the values of each name in their order. Names that differ only in case
// are one.
function grouped(list = []) {
	const all = {};
	for (const [name, value] of Array.isArray(list) ? list : Object.entries(list)) (all[name.toLowerCase()] ??= []).push(value);
	return all;
}

// facts returns the parts of an exchange that are compared value by value.
function facts(e) {
	const { row, timing } = e, v = verdict(row), url = `${row.scheme}://${row.host}:${row.port}`;
	return {
		Request: { method: e.method, server: url, path: row.path.split('?')[0], protocol: e.protocol, client: e.client?.replace(/:\d+$/, '') },
		Query: grouped(e.query_list),
		'Request headers': grouped(e.headers_list),
		Response: { status: statusOf(row), answered: `${v.word} ${v.by}`, error: row.error, size: bytes(row.size) },
		'Response headers': grouped(e.response_headers_list),
		Trailers: grouped(e.response_trailers),
		Timing: { began: date(e.start), ...times([['request', timing.uploaded_ms], ['waiting', timing.answered_ms - timing.uploaded_ms], ['response', timing.duration_ms - timing.answered_ms], ['in all', timing.duration_ms]]) },
	};
}

const text = v => [v ?? ''].flat().join('\n');

// differences returns the rows of a table, those that are equal only if all are wanted.
function differences(a, b, all) {
	const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
	return names.map(name => [name, text(a[name]), text(b[name])]).filter(([, x, y]) => all || x !== y).map(([name, x, y]) =>
		el('tr', { className: x === y ? 'dim' : '' }, el('th', { scope: 'row' }, name), el('td', x === y || !x ? x : el('del', x)), el('td', x === y || !y ? y : el('ins', y))));
}

async function readBody(seq, side) {
	const b = await fetchBody(seq, side, WHOLE), plain = b.binary ? '' : decode(b.bytes, b.charset);
	return { ...b, text: b.more ? plain : readable(plain) };
}

async function bodies(side, first, second) {
	const [a, b] = await Promise.all([readBody(first, side), readBody(second, side)]), at = a.bytes.findIndex((x, i) => x !== b.bytes[i]);
	const equal = at < 0 && a.bytes.length === b.bytes.length, cut = (a.more || b.more) && el('p.warning', `Only the first ${bytes(WHOLE)} are compared.`);
	if (equal) return [el('p.dim', a.bytes.length ? `Equal, ${bytes(a.size)}.` : 'Both are empty.'), cut];
	if (!a.binary && !b.binary) return [a.text === b.text ? el('p.dim', 'Equal but for layout.') : diffView(lines(a.text, b.text)), cut];
	return [el('p', `${bytes(a.size)} and ${bytes(b.size)}; the first difference is at byte ${at < 0 ? a.bytes.length : at}.`), cut];
}

let shown = ''; // the pair that is compared, so that news of an older one are dropped

async function compare() {
	if (route.view !== 'compare') return;
	const first = route.seq, second = +route.tab, all = $('compare-all').checked, mine = shown = `${first}/${second}/${all}`;
	$('compare-first').value = first || '';
	$('compare-second').value = second || '';
	if (!first || !second) return fill($('compare-parts'), el('p', 'Give the numbers of two exchanges, or select two in the list.'));
	try {
		const both = await Promise.all([call('get_capture', first), call('get_capture', second)]), [a, b] = both.map(facts);
		const [sent, answered] = await Promise.all([bodies('request', first, second), bodies('response', first, second)]);
		if (mine !== shown) return;
		const table = name => {
			const rows = differences(a[name], b[name], all), head = [name, first, second].map(n => el('th', { scope: 'col' }, `${n}`));
			return rows.length > 0 && el('table', { ariaLabel: name }, el('thead', el('tr', head)), el('tbody', rows));
		};
		fill($('compare-parts'), both.map(e => el('p.url', el('b', `${e.seq}: ${e.method}`), ` ${e.url}`)), ['Request', 'Query', 'Request headers'].map(table), section('Request body', sent),
			['Response', 'Response headers', 'Trailers'].map(table), section('Response body', answered), table('Timing'));
	} catch (e) {
		if (mine === shown) fill($('compare-parts'), el('p.error', e.message));
	}
}

const choose = () => go({ seq: +$('compare-first').value, tab: $('compare-second').value });

$('compare-first').onchange = $('compare-second').onchange = choose;
$('compare-all').onchange = compare;
$('compare-swap').onclick = () => go({ seq: +$('compare-second').value, tab: $('compare-first').value });
onRoute(compare);
