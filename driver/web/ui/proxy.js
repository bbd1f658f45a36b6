// The proxy: the driver's methods and streams, and the page's copy of its journal.

import { $, save, signal } from './page.js';

const RETRY = 500, IDLE = 30000;

// When one stream breaks, all are closed. They are opened again once the proxy answers.
const streams = new Set();
let timer;

export let status = {};

// onUp tells of each new connection, onStatus of each change of the status.
export const onUp = signal(), onStatus = signal();

export async function call(name, ...args) {
	const res = await fetch(`api/call/${name}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(args) })
		.catch(() => { throw new Error('The proxy does not answer.'); });
	const { result, error } = await res.json().catch(() => ({}));
	if (!res.ok) throw Object.assign(new Error(error || `HTTP status ${res.status}`), { status: res.status });
	return result;
}

const url = (kind, name, args) => `api/${kind}/${name}?args=${encodeURIComponent(JSON.stringify(args))}`;

export const download = (name, args, as) => save(`${url('file', name, args)}&as=${encodeURIComponent(as)}`, as);

// stream follows a method. It returns a function that ends this.
export function stream(name, args, onItem) {
	const source = new EventSource(url('stream', name, args));
	source.onmessage = e => onItem(JSON.parse(e.data));
	source.onerror = () => retry('reconnecting');
	streams.add(source);
	return () => {
		source.close();
		streams.delete(source);
	};
}

export async function connect() {
	try {
		setStatus(await call('status'));
	} catch (e) {
		return retry(e.status === 403 ? 'no session' : 'reconnecting');
	}
	down('live');
	stream('watch_status', [], setStatus);
	onUp.send();
}

function retry(state) {
	down(state);
	timer = setTimeout(connect, RETRY);
}

function down(state) {
	clearTimeout(timer);
	for (const s of streams) s.close();
	streams.clear();
	$('connection').textContent = $('connection').className = state;
	$('no-session').hidden = state !== 'no session';
}

function setStatus(s) {
	status = s;
	onStatus.send(s);
}

// A hidden page closes its streams, because browsers open only six connections to a
// server.
document.onvisibilitychange = () => {
	if (document.hidden) timer = setTimeout(down, IDLE, 'asleep');
	else if (streams.size) clearTimeout(timer);
	else retry('reconnecting');
};

// The copy of the journal: rows, oldest first, without gaps and without
// duplicates however often the connection breaks.

const PAGE = 2000;
const LIMIT = 50000; // rows kept, however many the proxy keeps

// missed counts entries that were gone before they could be sent.
export const journal = { rows: [], missed: 0, paused: false, incoming: [] };

const bySeq = new Map();
let query = ['', '']; // filter and highlight
let last = 0; // the newest sequence number seen
let gap = null; // while older rows are fetched: up to where none are missing
let run = 0; // counts syncs; an older one stops when it notices
let id; // which journal it is: another process has another
let close, frame = 0;

// onChange tells of (added, changed, anew), at most once a frame.
export const onChange = signal();

export const rowOf = seq => bySeq.get(seq);

export function show(...expressions) {
	query = expressions;
	reset();
	return sync();
}

// sync fetches what is missing, newest first, and follows what comes.
async function sync() {
	const mine = ++run;
	close?.();
	let page = await fetchPage(0);
	if (mine !== run) return;
	if (page.journal !== id) reset();
	id = page.journal;
	const known = gap ??= last;
	last = page.last;
	take(page.rows);
	close = stream('watch_captures', [...query, last, page.since], item);
	for (let n = page.rows.length; page.rows[0]?.seq > known + 1 && n < LIMIT; n += page.rows.length) {
		page = await fetchPage(page.rows[0].seq);
		if (mine !== run) return;
		take(page.rows);
	}
	gap = null;
}

const fetchPage = before => call('list_captures', ...query, before, PAGE);

function item(row) {
	if (row.kind === 'missed') journal.missed += row.missed;
	else if (row.kind === 'gone') {
		if (!bySeq.delete(row.seq)) return;
		journal.rows = journal.rows.filter(r => r.seq !== row.seq);
		onChange.send([], [], true);
	} else {
		if (!row.update) last = row.seq;
		take([row]);
	}
}

function take(rows) {
	journal.incoming.push(...rows);
	frame ||= requestAnimationFrame(flush);
}

// flush shows what came since the last frame; a pause holds back what is new.
export function flush() {
	frame = 0;
	const { rows, incoming, paused } = journal, added = [], changed = [], held = [];
	for (const row of incoming) {
		const old = bySeq.get(row.seq);
		if (old) changed.push(Object.assign(old, row));
		else (paused ? held : added).push(row);
		if (!old && !paused) bySeq.set(row.seq, row);
	}
	journal.incoming = held.slice(-LIMIT);
	const older = added[0]?.seq < rows.at(-1)?.seq;
	rows.push(...added);
	if (older) rows.sort((a, b) => a.seq - b.seq);
	onChange.send(added, changed);
	forget(rows.at(-LIMIT)?.seq);
}

// forget drops the rows before first.
export function forget(first) {
	const { rows } = journal;
	if (!(rows[0]?.seq < first)) return;
	const n = rows.findIndex(r => r.seq >= first);
	for (const row of rows.splice(0, n < 0 ? Infinity : n)) bySeq.delete(row.seq);
	onChange.send([], [], true);
}

export async function clear() {
	await call('clear_captured_requests');
	journal.incoming = [];
	forget(Infinity);
}

function reset() {
	journal.incoming = [];
	journal.missed = gap = 0;
	forget(Infinity);
}

onUp(sync);
