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

// missed counts entries that were gone before they could be sent. open has the rows in
// flight, whose seq is -live; flying has them and those of sockets that are open.
export const journal = { rows: [], open: [], flying: new Set(), missed: 0, paused: false, incoming: [] };

const bySeq = new Map();
let query = ['', '']; // filter and highlight
let last = 0; // the newest sequence number seen
let gap = null; // while older rows are fetched: up to where none are missing
let run = 0; // counts syncs; an older one stops when it notices
let id; // which journal it is: another process has another
let close, frame = 0;

// onChange tells of (added, changed, anew), at most once a frame.
export const onChange = signal();

// onLanded tells of (-live, seq) when an exchange has ended.
export const onLanded = signal();

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
	land(journal.open.map(r => r.seq)); // those that still are in flight come again
	let page = await fetchPage(0);
	if (mine !== run) return;
	if (page.journal !== id) reset();
	id = page.journal;
	const known = gap ??= last;
	last = page.last;
	take(page.rows);
	if (!status.read_only) close = stream('watch_captures', [...query, last, page.since, true], item);
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
	} else if (row.kind === 'open') {
		for (const r of row.rows) Object.assign(r, r.open && { born: performance.now() - r.duration_ms }, !r.seq && { seq: -r.live });
		take(row.rows);
		land((row.gone || []).map(live => -live));
	} else {
		if (!row.update) last = row.seq;
		take([row]);
	}
}

// land takes out rows in flight that get no entry.
function land(seqs) {
	if (!seqs.length) return;
	flush();
	for (const seq of seqs) {
		journal.flying.delete(bySeq.get(seq));
		bySeq.delete(seq);
	}
	for (const part of ['open', 'incoming']) journal[part] = journal[part].filter(r => !seqs.includes(r.seq));
	onChange.send([], [], true);
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
	const { rows, incoming, paused } = journal, added = [], changed = [], held = [], landed = [];
	for (const row of incoming) {
		const flight = row.live && row.seq > 0 && bySeq.get(-row.live), old = flight || bySeq.get(row.seq), shown = old || row;
		if (old) {
			delete old.state;
			changed.push(Object.assign(old, row));
		} else (paused ? held : added).push(row);
		if (flight) {
			bySeq.delete(-row.live);
			const at = journal.open.indexOf(flight);
			if (at >= 0) landed.push(...journal.open.splice(at, 1)); // else it came in this frame
		}
		if (!old && paused) continue;
		bySeq.set(row.seq, shown);
		if (shown.state) journal.flying.add(shown);
		else journal.flying.delete(shown);
	}
	journal.incoming = [...new Map(held.map(r => [r.live ? -r.live : r.seq, r])).values()].slice(-LIMIT); // an entry takes the place of its row in flight
	journal.open.push(...added.filter(r => r.seq < 0));
	const kept = added.filter(r => r.seq > 0).concat(landed).sort((a, b) => a.seq - b.seq); // some may be back
	const older = kept[0]?.seq < rows.at(-1)?.seq;
	rows.push(...kept);
	if (older) rows.sort((a, b) => a.seq - b.seq);
	for (const r of landed) onLanded.send(-r.live, r.seq);
	onChange.send(added, changed);
	forget(rows.at(-LIMIT)?.seq);
}

// forget drops the rows before first.
export function forget(first) {
	const { rows } = journal;
	if (!(rows[0]?.seq < first)) return;
	const n = rows.findIndex(r => r.seq >= first);
	for (const row of rows.splice(0, n < 0 ? Infinity : n)) bySeq.delete(row.seq), journal.flying.delete(row);
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
	land(journal.open.map(r => r.seq));
	forget(Infinity);
}

onUp(sync);
