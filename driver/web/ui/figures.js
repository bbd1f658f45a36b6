// Figures and the waterfall of the exchanges that the filter shows, over a chosen span.

import { addressOf, pill, statusClass, statusOf, verdict, wrong } from './list.js';
import { $, button, bytes, clock, count, el, fill, go, millis, onRoute, route } from './page.js';
import { journal, onChange } from './proxy.js';
import { deviceExpr, hostExpr } from './sidebar.js';

const SLOTS = 120; // bars of the overview
const SHOWN = 200; // exchanges that the waterfall shows at once
const GROUPS = 100; // rows of the table
const EVERY = 1000; // ms between two drawings while exchanges come

const BY = {
	host: r => r.host,
	endpoint: r => r.endpoint || `${verdict(r).word}: ${r.method} ${r.host}`,
	path: r => `${r.method} ${r.host}${r.path.split('?')[0]}`,
	device: addressOf,
};

const LOOK_UP = { host: hostExpr, device: deviceExpr };

// span is the part of the time that was chosen, in seconds since 1970; null for all.
let span = null, from = 0, to = 0, page = 0, drawn = 0, timer;

const ended = r => r.start + r.duration_ms / 1000;

// svg makes an SVG element with a path of w by h units that fills its box.
function svg(w, h, paths, label) {
	const make = (tag, props) => {
		const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
		for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
		return node;
	};
	const root = make('svg', { viewBox: `0 0 ${w} ${h}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label });
	root.append(...paths.map(([name, d]) => make('path', { class: name, d })));
	return root;
}

// bars draws one bar for each value, from the bottom up.
const bars = (values, most, h) => values.map((v, i) => v ? `M${i} ${h}v${-Math.max(v / most * h, h / 20)}h.9V${h}z` : '').join('');

// sparkline is a picture of numbers in the size of a word.
const sparkline = (values, label) => svg(values.length, 16, [['line', bars(values, Math.max(...values, 1), 16)]], label);

// slots counts rows by their time.
function slots(rows, n, first, last) {
	const all = new Array(n).fill(0), width = (last - first) / n || 1;
	for (const r of rows) all[Math.min(n - 1, Math.floor((r.start - first) / width))]++;
	return all;
}

// percentile picks from ordered numbers by the method of the nearest rank.
const percentile = (ordered, p) => ordered[Math.max(0, Math.ceil(ordered.length * p / 100) - 1)];

function sums(rows) {
	const lasted = rows.filter(r => !r.open && r.duration_ms > 0).map(r => r.duration_ms).sort((a, b) => a - b);
	return {
		n: rows.length, bad: rows.filter(wrong).length, size: rows.reduce((sum, r) => sum + (r.size || 0), 0),
		p50: percentile(lasted, 50), p95: percentile(lasted, 95), p99: percentile(lasted, 99), most: lasted.at(-1),
	};
}

const shownMillis = ms => ms === undefined ? '–' : millis(ms);

// overview draws all rows over all their time, and marks the span.
function overview() {
	const all = slots(journal.rows, SLOTS, from, to), bad = slots(journal.rows.filter(wrong), SLOTS, from, to), most = Math.max(...all, 1);
	const label = `Exchanges over time, at most ${most} in ${millis((to - from) / SLOTS * 1000)}`;
	fill($('figures-overview'), svg(SLOTS, 60, [['line', bars(all, most, 60)], ['bad', bars(bad, most, 60)]], label), el('i'));
	markSpan(span);
}

function markSpan(chosen) {
	const mark = $('figures-overview').lastChild, [a, b] = (chosen || [from, from]).map(t => 100 * (t - from) / (to - from || 1));
	mark.hidden = a === b;
	Object.assign(mark.style, { left: `${a}%`, width: `${b - a}%` });
}

function counted(rows, name) {
	const all = new Map();
	for (const r of rows) {
		const key = name(r);
		all.set(key, (all.get(key) || 0) + 1);
	}
	return [...all].sort((a, b) => b[1] - a[1]);
}

function tiles(rows, first, last) {
	const s = sums(rows), seconds = Math.max(last - first, 0.001), tile = (name, ...value) => el('div.tile', el('dt', name), el('dd', value));
	const each = Math.ceil(seconds), peak = Math.max(...slots(rows, Math.min(each, 10000), first, first + each), 0);
	fill($('figures-sums'), tile('Exchanges', count(s.n)), tile('Went wrong', count(s.bad) || '0'), tile('A second', (s.n / seconds).toFixed(s.n / seconds < 10 ? 1 : 0)),
		tile('In the busiest second', count(peak) || '0'), tile('Received', bytes(s.size)),
		['p50', 'p95', 'p99', 'most'].map(p => tile(p === 'most' ? 'Slowest' : `Latency ${p}`, shownMillis(s[p]))),
		tile('Statuses', counted(rows, r => statusOf(r) || 'none').map(([status, n]) => el('span', el(`b.s${String(status)[0]}`, `${status}`), ` ${count(n)} `))),
		tile('Answered by', counted(rows, r => verdict(r).word).map(([word, n]) => el('span', `${word} ${count(n)} `))));
}

function groups(rows, first, last) {
	const by = $('figures-by').value, parts = new Map();
	for (const r of rows) {
		const key = BY[by](r);
		parts.has(key) ? parts.get(key).push(r) : parts.set(key, [r]);
	}
	const all = [...parts].sort((a, b) => b[1].length - a[1].length), open = name => button(name, () => go({ view: 'traffic', seq: 0, f: LOOK_UP[by](name) }), { title: 'Show them in the list' });
	fill($('figures-groups'), all.slice(0, GROUPS).map(([name, part]) => {
		const s = sums(part);
		return el('tr', el('th', { scope: 'row' }, LOOK_UP[by] && name ? open(name) : name || 'none'), el('td', sparkline(slots(part, 40, first, last), `${name} over time`)),
			[count(s.n), count(s.bad) || '0', bytes(s.size), ...['p50', 'p95', 'p99', 'most'].map(p => shownMillis(s[p]))].map(v => el('td.num', v)));
	}), all.length > GROUPS && el('tr', el('td', { colSpan: 9 }, `${count(all.length - GROUPS)} more`)));
}

function waterfall(rows) {
	const pages = Math.max(1, Math.ceil(rows.length / SHOWN));
	page = Math.min(page, pages - 1);
	const part = rows.slice(page * SHOWN, (page + 1) * SHOWN), now = Date.now() / 1000, first = Math.min(...part.map(r => r.start));
	const last = Math.max(...part.map(r => r.open ? now : ended(r)), first + 0.001), share = t => 100 * (t - first) / (last - first);
	fill($('waterfall-pages'), button('Earlier', () => turn(-1), { disabled: !page }), el('span', part.length ? `${clock(first)} to ${clock(last)}, ${page + 1} of ${pages}` : 'None'), button('Later', () => turn(1), { disabled: page + 1 === pages }));
	fill($('waterfall'), part.map(r => {
		const bar = el(`i.k-${verdict(r).kind}`), end = r.open ? now : ended(r);
		Object.assign(bar.style, { marginLeft: `${share(r.start)}%`, width: `${share(end) - share(r.start)}%` });
		return el('tr', el('td', button(`${r.method || 'TLS'} ${r.host}${r.path}`, () => go({ view: 'traffic', seq: r.seq }), { title: r.path })),
			el('td', el(`b.${statusClass(r)}`, `${statusOf(r) || '–'}`)), el('td', pill(verdict(r))), el('td.num', r.open ? 'open' : millis(r.duration_ms)), el('td.bars', bar));
	}));
}

function turn(n) {
	page += n;
	draw();
}

function draw() {
	clearTimeout(timer);
	timer = 0;
	if (route.view !== 'figures') return;
	drawn = Date.now();
	const { rows } = journal;
	$('figures-none').hidden = rows.length;
	$('figures-all').hidden = !rows.length;
	if (!rows.length) return;
	from = to = rows[0].start;
	for (const r of rows) {
		from = Math.min(from, r.start);
		to = Math.max(to, r.start, ended(r) || 0);
	}
	const [first, last] = span || [from, to], part = span ? rows.filter(r => r.start >= first && r.start <= last) : rows;
	$('figures-span').textContent = `${clock(first)} to ${clock(last)} (${millis((last - first) * 1000)})${route.f ? `, filter ${route.f}` : ''}`;
	overview();
	tiles(part, first, last);
	groups(part, first, last);
	waterfall(part.toSorted((a, b) => a.start - b.start));
}

function choose(a, b) {
	span = b > a ? [a, b] : null;
	page = 0;
	draw();
}

// A span is dragged in the overview. By keys, the left and right arrow move it and the
// down and up arrow make it smaller and larger.
const box = $('figures-overview');

function timeAt(e) {
	const { left, width } = box.getBoundingClientRect();
	return from + (to - from) * Math.min(1, Math.max(0, (e.clientX - left) / width));
}

box.onpointerdown = e => {
	const start = timeAt(e);
	let dragged = [start, start];
	box.setPointerCapture(e.pointerId);
	box.onpointermove = at => markSpan(dragged = [start, timeAt(at)].sort((a, b) => a - b));
	box.onlostpointercapture = () => {
		box.onpointermove = null;
		choose(...dragged);
	};
};
box.onkeydown = e => {
	const [a, b] = span || [from, to], half = (b - a) / 2, by = n => Math.max(from - a, Math.min(to - b, n * half));
	const next = {
		ArrowLeft: [a + by(-1), b + by(-1)], ArrowRight: [a + by(1), b + by(1)], ArrowDown: [a + half / 2, b - half / 2],
		ArrowUp: 4 * half >= to - from ? [0, 0] : [Math.max(from, a - half), Math.min(to, b + half)], Escape: [0, 0],
	}[e.key];
	if (!next) return;
	e.preventDefault();
	e.stopPropagation();
	choose(...next);
};

$('figures-last').onchange = e => {
	choose(...+e.target.value ? [to - e.target.value, to] : [0, 0]);
	e.target.value = '';
};
$('figures-by').onchange = draw;

onRoute(draw);
onChange(() => { timer ||= route.view === 'figures' && setTimeout(draw, Math.max(0, drawn + EVERY - Date.now())); });
