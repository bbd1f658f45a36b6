// Exchanges that are held: which ones, and the pane in which one is edited, released,
// answered or aborted.

import { select } from './list.js';
import { $, button, el, fill, go, keyboard, onRoute, popup, route } from './page.js';
import { onStatus, status } from './proxy.js';
import { call } from './source.js';

const DEFAULTS = { expr: '~all', side: 'request', timeout: 60 };

let rows = [], seen, run = 0;
let id = 0, kind, message; // what the pane shows: request, response or answer
let timer;

const field = (label, tag, props) => el('label', label, el(tag, { spellcheck: false, ...props }));
const list = el('select.letters', { ariaLabel: 'Held exchanges', onchange: () => open(+list.value) });
const left = el('span.dim'), error = el('output.error', { role: 'alert' }), fixed = el('p.warning');
const form = {}; // the labels, with their fields
for (const [name, label, tag, props] of [['method', 'Method', 'input'], ['url', 'URL', 'input'], ['status', 'Status', 'input', { type: 'number', min: 200, max: 599 }],
	['headers', 'Headers', 'textarea', { rows: 9, wrap: 'off' }], ['body', 'Body', 'textarea', { rows: 12 }]]) form[name] = field(label, tag, { id: `hold-${name}`, ...props });
const input = name => form[name].lastChild;

fill($('hold'),
	el('div.bar', list, left, el('span.grow'), button('✕', close, { ariaLabel: 'Close' })),
	el('div.bar', ...['release', 'answer', 'abort', 'all'].map(name => button('', null, { id: `hold-${name}`, className: 'live' }))),
	el('div.form', Object.values(form), fixed, error));
$('hold-release').className = 'live primary';
$('hold-abort').textContent = 'Abort';
$('hold-all').textContent = 'Release all';
$('hold-answer').textContent = 'Answer by hand';

// set puts a message into the fields.
function set(as, m) {
	kind = as;
	message = m;
	for (const [name, label] of Object.entries(form)) label.hidden = !(name in m) || name === 'body' && !!m.body_base64;
	for (const name of ['method', 'url', 'status', 'body']) input(name).value = m[name] ?? '';
	input('headers').value = m.headers.map(h => h.join(': ')).join('\n');
	input('body').readOnly = !!m.body_fixed;
	fixed.textContent = m.body_fixed ? `The body can't be edited: ${m.body_fixed}` : m.body_base64 ? 'The body is no text, and stays.' : '';
	$('hold-release').textContent = as === 'answer' ? 'Send the answer' : `Release the ${as}`;
	$('hold-answer').ariaPressed = as === 'answer';
	error.textContent = '';
}

// parts returns what the fields have, without a body that stays.
function parts() {
	const m = { headers: input('headers').value.split('\n').filter(Boolean).map(line => {
		const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(line) || [];
		if (!name) throw new Error(`headers: got ${line}, want Name: value`);
		return [name, value];
	}) };
	for (const name of ['method', 'url', 'status']) if (name in message) m[name] = name === 'status' ? +input(name).value : input(name).value.trim();
	if (!message.body_fixed && !message.body_base64 && (kind === 'answer' || input('body').value !== message.body.replace(/\r\n?/g, '\n'))) m.body = input('body').value;
	return m;
}

async function open(n) {
	if (route.view !== 'traffic' || route.seq) go({ view: 'traffic', seq: 0 });
	const d = await call('get_held', n).catch(() => {});
	if (!d) return refresh();
	id = list.value = n;
	select(-n);
	const { method, url, headers, body, body_base64, body_fixed } = d.request;
	set(d.side, d.response || { method, url, headers, body, body_base64, body_fixed });
	$('hold-answer').hidden = d.side === 'response';
	$('hold').hidden = false;
	clearInterval(timer);
	timer = setInterval(tick, 1000);
	tick();
}

function tick() {
	const row = rows.find(r => r.id === id);
	left.textContent = row ? `goes on in ${Math.max(0, Math.round(row.until - Date.now() / 1000))} s` : '';
}

function close() {
	id = 0;
	clearInterval(timer);
	if ($('hold').contains(document.activeElement)) $('rows').focus();
	$('hold').hidden = true;
}

// refresh shows what is held now. The exchange after one that went on is shown next.
async function refresh() {
	const mine = ++run, now = status.intercept ? await call('list_held') : [];
	if (mine !== run) return; // a later one has newer rows
	rows = now;
	$('held').textContent = `${rows.length} held`;
	$('held').hidden = !rows.length;
	fill(list, rows.map(r => el('option', { value: r.id }, `${r.side} ${r.status || ''} ${r.method} ${r.url}`)));
	list.value = id;
	if (!id || rows.some(r => r.id === id && r.side === (kind === 'answer' ? 'request' : kind))) return;
	const next = rows.find(r => r.id === id) || rows[0];
	next ? await open(next.id) : close();
}

async function act(...args) {
	if (!id && args[0] !== 'release_all') return;
	try {
		await call(...args.map(a => a === parts ? JSON.stringify(parts()) : a));
	} catch (e) {
		if (e.status !== 404) return error.textContent = e.message;
	}
	await refresh();
}

const release = () => act(kind === 'answer' ? 'answer_held' : 'release', id, parts);

async function toggleAnswer() {
	if (!id || $('hold-answer').hidden) return;
	if (kind === 'answer') return open(id);
	set('answer', { status: 200, headers: [['Content-Type', 'application/json']], body: '{}' });
	input('status').focus();
}

function next() {
	const i = rows.findIndex(r => r.id === id), row = rows[(i + 1) % rows.length];
	if (row) open(row.id).then(() => list.focus());
}

// choose asks which exchanges are held.
function choose() {
	const now = status.intercept || DEFAULTS, wrong = el('output.error', { role: 'alert' });
	const expr = field('Filter', 'input', { id: 'hold-expr', value: now.expr }), seconds = field('For at most (s)', 'input', { type: 'number', min: 1, max: 3600, value: now.timeout });
	const side = el('label', 'Side', el('select', ['request', 'response', 'both'].map(s => el('option', s))));
	side.lastChild.value = now.side;
	const apply = on => async e => {
		e.preventDefault();
		try {
			await call('intercept', ...on ? [expr.lastChild.value, side.lastChild.value, +seconds.lastChild.value] : ['']);
			$('popup').hidePopover();
			$('intercept').focus();
		} catch (e) {
			wrong.textContent = e.message;
		}
	};
	popup($('intercept'), el('form', { ariaLabel: 'Hold exchanges', onsubmit: apply(true) }, expr, side, seconds,
		el('footer', status.intercept && button('Off: release all', apply(false), { type: 'button' }), el('button.primary', 'Hold these')), wrong));
}

$('hold').onkeydown = e => {
	if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) release();
};

keyboard([
	['i', 'hold exchanges', choose, 'intercept'],
	['n', 'next held exchange', next, 'held'],
	['a', 'release it (in a text Ctrl+Enter)', release, 'hold-release'],
	['w', 'answer it by hand', toggleAnswer, 'hold-answer'],
	['K', 'abort it', () => act('abort_held', id), 'hold-abort'],
	['A', 'release all', () => act('release_all'), 'hold-all'],
], 'traffic');

onStatus(({ intercept: now, read_only: file }) => {
	$('intercept').ariaPressed = !!now;
	if (file || now?.changes === seen) return;
	seen = now?.changes;
	refresh();
});

// The row of an exchange in flight has its number, below 0.
onRoute(({ seq }) => rows.some(r => r.id === -seq) ? open(-seq) : seq && close());
