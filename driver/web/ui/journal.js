// The page's copy of the proxy's journal: rows, oldest first, without gaps and
// without duplicates however often the connection breaks.

import { ask, call } from './api.js';
import { stream } from './live.js';

const PAGE = 2000; // rows asked for at once
const LIMIT = 50000; // rows kept, however much the proxy keeps

export class Journal {
	rows = [];
	filter = '';
	highlight = '';
	kept = 0; // entries the proxy keeps
	missed = 0; // entries that were gone before they could be sent
	paused = false;

	#bySeq = new Map();
	#last = 0; // the newest sequence number seen
	#gap = null; // while older rows are fetched: up to where there was no gap before
	#run = 0; // counts syncs; an older one stops when it notices
	#close = () => {};
	#incoming = []; // waits for the next frame, or the end of the pause
	#frame = 0;
	#listener;

	// listener gets ({added, changed, reset}) at most once a frame.
	constructor(listener) {
		this.#listener = listener;
	}

	get(seq) {
		return this.#bySeq.get(seq);
	}

	// waiting counts the rows that a pause holds back.
	get waiting() {
		return this.paused ? this.#incoming.length : 0;
	}

	// show makes these two expressions the ones in force.
	show(filter, highlight) {
		this.filter = filter;
		this.highlight = highlight;
		this.reset();
		this.#gap = 0;
		return this.sync();
	}

	// sync fetches what is missing, newest first, and follows what comes.
	async sync() {
		const run = ++this.#run;
		this.#close();
		let page = await this.#page(0);
		if (run !== this.#run) return;
		if (page.last < this.#last) { // numbers start anew: another process
			this.reset();
			this.#gap = 0;
		}
		const known = this.#gap ??= this.#last;
		this.#last = page.last;
		this.kept = page.total;
		this.#take(page.rows);
		this.#close = stream('watch_captures', [this.filter, this.highlight, page.last], item => this.#item(item));
		let n = page.rows.length;
		while (page.rows.length && page.rows[0].seq > known + 1 && n < LIMIT) {
			page = await this.#page(page.rows[0].seq);
			if (run !== this.#run) return;
			this.#take(page.rows);
			n += page.rows.length;
		}
		this.#gap = null;
	}

	#page(before) {
		return ask('list_captures', this.filter, this.highlight, before, PAGE);
	}

	#item(item) {
		if (item.kind === 'missed') {
			this.missed += item.missed;
			this.#plan();
		} else if (item.kind === 'cleared') {
			this.reset();
		} else if (item.kind === 'update') {
			delete item.kind; // the row's own kind stays
			if (this.#bySeq.has(item.seq)) this.#take([item]);
		} else {
			this.#last = Math.max(this.#last, item.seq);
			this.#take([item]);
		}
	}

	#take(rows) {
		this.#incoming.push(...rows);
		this.#plan();
	}

	#plan() {
		this.#frame ||= requestAnimationFrame(() => this.flush());
	}

	// flush shows what came since the last frame.
	flush() {
		cancelAnimationFrame(this.#frame);
		this.#frame = 0;
		const added = [], changed = [], held = [];
		for (const row of this.#incoming) {
			const old = this.#bySeq.get(row.seq);
			if (old) {
				Object.assign(old, row);
				changed.push(old);
			} else if (this.paused) {
				held.push(row);
			} else {
				this.#bySeq.set(row.seq, row);
				added.push(row);
			}
		}
		this.#incoming = held.length > LIMIT ? held.slice(-LIMIT) : held;
		const inOrder = (a, b) => a.seq - b.seq;
		added.sort(inOrder);
		const newer = !this.rows.length || added[0]?.seq > this.rows.at(-1).seq;
		for (const row of added) this.rows.push(row);
		if (!newer) this.rows.sort(inOrder); // a page of older ones
		this.#listener({ added, changed });
		if (this.rows.length > LIMIT) this.forget(this.rows.at(-LIMIT).seq);
	}

	// forget drops the rows that came before first.
	forget(first) {
		if (!(this.rows[0]?.seq < first)) return;
		const n = this.rows.findIndex(r => r.seq >= first);
		for (const row of this.rows.splice(0, n < 0 ? Infinity : n)) this.#bySeq.delete(row.seq);
		this.#listener({ added: [], changed: [], reset: true });
	}

	reset() {
		this.rows.length = 0;
		this.#bySeq.clear();
		this.#incoming = [];
		this.missed = 0;
		this.#listener({ added: [], changed: [], reset: true });
	}

	async clear() {
		await call('clear_captured_requests');
		this.reset();
	}
}
