// The page's copy of the status and of the journal, whatever their source.

import { signal } from './page.js';
import { call, start, stream } from './source.js';

export const status = {};

// onUp tells of each new connection, onStatus of each change of the status.
export const onUp = signal();
export const onStatus = signal();

function setStatus(s) {
	for (const key of Object.keys(status)) delete status[key];
	onStatus.send(Object.assign(status, s));
}

export const connect = () => start(setStatus, onUp.send);

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
	if (!status.read_only) close = stream('watch_captures', [...query, last, page.since], item);
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
		if (row.seqs || bySeq.has(row.seq)) drop(row.seqs || [[row.seq, row.seq]]);
	} else {
		if (!row.update) last = row.seq;
		take([row]);
	}
}

// drop takes out the rows within some ranges of numbers.
function drop(ranges) {
	const stays = r => !ranges.some(([first, last]) => first <= r.seq && r.seq <= last);
	journal.incoming = journal.incoming.filter(stays);
	journal.rows = journal.rows.filter(r => stays(r) || !bySeq.delete(r.seq));
	onChange.send([], [], true);
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
	added.sort((a, b) => a.seq - b.seq); // some may be back
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
