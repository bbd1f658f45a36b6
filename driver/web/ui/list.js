// The grid of exchanges. Only rows in sight have elements, and these are used
// again: row i of the view is always shown by element i modulo their number.

import { el, fill } from './dom.js';
import { bytes, clock, date, millis } from './format.js';
import { pill, statusClass, verdict } from './verdict.js';

const status = r => r.status || r.sent_status || 0;

const COLUMNS = [
	{ id: 'time', label: 'Time', key: r => r.start },
	{ id: 'status', label: 'Status', key: status },
	{ id: 'how', label: 'Answered by', key: r => { const v = verdict(r); return `${v.word} ${v.by}`; } },
	{ id: 'method', label: 'Method', key: r => r.method },
	{ id: 'host', label: 'Host', key: r => r.host },
	{ id: 'path', label: 'Path', key: r => r.path },
	{ id: 'size', label: 'Size', key: r => r.size },
	{ id: 'duration', label: 'Duration', key: r => r.duration_ms },
];

export class List {
	current = 0; // sequence number of the row with the cursor
	follow = true;

	#rows; // of the journal, oldest first
	#view; // the same, sorted
	#column = COLUMNS[0];
	#down = false;
	#body; #head; #sizer; #lines = []; #height = 0;
	#changes;

	// changes gets pick(row), by click or Enter, and followed(on).
	constructor(head, body, rows, changes) {
		this.#head = head;
		this.#body = body;
		this.#rows = this.#view = rows;
		this.#changes = changes;
		this.#sizer = el('div.sizer', { role: 'presentation' });
		body.append(this.#sizer);
		fill(head, COLUMNS.map(c => el(`div.c-${c.id}`, { role: 'columnheader' }, el('button', { type: 'button', onclick: () => this.sort(c) }, c.label))));
		body.addEventListener('scroll', () => this.#scrolled(), { passive: true });
		body.addEventListener('click', e => {
			const line = e.target.closest('[data-seq]');
			if (line) changes.pick(line.row);
		});
		new ResizeObserver(() => this.#resized()).observe(body);
		this.#mark();
	}

	get length() {
		return this.#view.length;
	}

	// sort orders by a column, or turns the order round.
	sort(column) {
		this.#down = this.#column === column && !this.#down;
		this.#column = column;
		this.#mark();
		this.#arrange();
		this.#stick();
		this.#paint(true);
		if (this.current) this.#reveal();
	}

	#mark() {
		COLUMNS.forEach((c, i) => this.#head.children[i].setAttribute('aria-sort', c !== this.#column ? 'none' : this.#down ? 'descending' : 'ascending'));
	}

	#natural() {
		return this.#column === COLUMNS[0] && !this.#down;
	}

	#compare() {
		const { key } = this.#column, sign = this.#down ? -1 : 1;
		return (a, b) => {
			const x = key(a), y = key(b);
			return sign * (x < y ? -1 : x > y ? 1 : a.seq - b.seq);
		};
	}

	#arrange() {
		this.#view = this.#natural() ? this.#rows : this.#rows.slice().sort(this.#compare());
	}

	// update shows a change of the rows; what is in sight stays in place unless
	// the list follows.
	update({ added, changed, reset }) {
		const top = this.follow ? null : this.#view[Math.floor(this.#body.scrollTop / this.#height)];
		const moved = changed.length && !this.#natural();
		if (reset || moved) this.#arrange();
		else if (!this.#natural()) this.#merge(added);
		this.#stick();
		if (top && !this.#atEdge()) this.#hold(top);
		this.#paint(reset || changed.length > 0);
	}

	// merge puts new rows in their places without sorting the others again.
	#merge(added) {
		const compare = this.#compare(), old = this.#view, all = [];
		let i = 0;
		for (const row of added.sort(compare)) {
			while (i < old.length && compare(old[i], row) < 0) all.push(old[i++]);
			all.push(row);
		}
		while (i < old.length) all.push(old[i++]);
		this.#view = all;
	}

	#hold(row) {
		const from = Math.floor(this.#body.scrollTop / this.#height);
		const to = this.#view[from] === row ? from : this.#view.indexOf(row);
		if (to >= 0 && to !== from) this.#body.scrollTop += (to - from) * this.#height;
	}

	// The edge is where new rows come in: the end, or the beginning when the
	// newest are first.
	#atEdge() {
		const b = this.#body;
		return this.#down ? b.scrollTop < 4 : b.scrollHeight - b.clientHeight - b.scrollTop < 4;
	}

	#stick() {
		this.#size();
		if (this.follow && this.#column === COLUMNS[0]) this.#body.scrollTop = this.#down ? 0 : this.#body.scrollHeight;
	}

	setFollow(on) {
		this.follow = on;
		this.#stick();
		this.#paint();
		this.#changes.followed(on);
	}

	#size() {
		this.#sizer.style.height = `${this.#view.length * this.#height}px`;
		this.#body.parentNode.setAttribute('aria-rowcount', this.#view.length + 1);
	}

	#scrolled() {
		const at = this.#atEdge();
		if (at !== this.follow && this.#column === COLUMNS[0]) {
			this.follow = at;
			this.#changes.followed(at);
		}
		this.#paint();
	}

	#resized() {
		this.#lines.forEach(l => l.remove());
		this.#lines = [this.#line()];
		this.#height = this.#lines[0].offsetHeight || 24;
		const n = Math.ceil(this.#body.clientHeight / this.#height) + 8;
		while (this.#lines.length < n) this.#lines.push(this.#line());
		this.#stick();
		this.#paint();
	}

	#line() {
		const line = el('div.row', { role: 'row', hidden: false }, COLUMNS.map(c => el(`div.c-${c.id}`, { role: 'gridcell' })));
		this.#sizer.append(line);
		return line;
	}

	#paint(all) {
		const lines = this.#lines, n = lines.length;
		if (!n) return;
		const first = Math.max(0, Math.floor(this.#body.scrollTop / this.#height) - 4);
		for (let i = first; i < first + n; i++) {
			const line = lines[i % n], row = this.#view[i];
			line.hidden = !row;
			if (!row) {
				line.row = null;
				continue;
			}
			if (line.at !== i) {
				line.at = i;
				line.style.transform = `translateY(${i * this.#height}px)`;
				line.setAttribute('aria-rowindex', i + 2);
			}
			if (all || line.row !== row) {
				line.row = row;
				draw(line, row);
			}
			const on = row.seq === this.current;
			if (line.on !== on) {
				line.on = on;
				line.classList.toggle('on', on);
				line.setAttribute('aria-selected', on);
			}
		}
		this.#body.setAttribute('aria-activedescendant', this.current ? `row-${this.current}` : '');
	}

	// select puts the cursor on a row without telling anybody.
	select(seq) {
		this.current = seq;
		if (seq) this.#reveal();
		this.#paint();
	}

	// step moves the cursor by n rows and gives the row it is on then.
	step(n) {
		const at = this.#index();
		const to = at < 0 ? (n > 0 ? 0 : this.#view.length - 1) : Math.min(Math.max(at + n, 0), this.#view.length - 1);
		const row = this.#view[to];
		if (row) this.select(row.seq);
		return row;
	}

	// page is how many rows fit.
	get page() {
		return Math.max(1, Math.floor(this.#body.clientHeight / this.#height) - 1);
	}

	#index() {
		return this.current ? this.#view.findIndex(r => r.seq === this.current) : -1;
	}

	#reveal() {
		const i = this.#index(), b = this.#body, h = this.#height;
		if (i < 0) return;
		if (i * h < b.scrollTop) b.scrollTop = i * h;
		else if ((i + 1) * h > b.scrollTop + b.clientHeight) b.scrollTop = (i + 1) * h - b.clientHeight;
	}
}

function draw(line, r) {
	const [time, code, how, method, host, path, size, duration] = line.children;
	const v = verdict(r), s = status(r);
	line.dataset.seq = r.seq;
	line.id = `row-${r.seq}`;
	line.className = `row k-${v.kind}${r.highlight ? ' lit' : ''}${line.on ? ' on' : ''}`;
	fill(time, r.mark && el(`i.mark.m-${r.mark}`, { title: `marked ${r.mark}` }), clock(r.start));
	time.title = date(r.start);
	code.textContent = s || (r.kind === 'tls_error' ? '' : '–');
	code.className = `c-status ${statusClass(s)}`;
	fill(how, pill(v), r.level && el(`b.note.${r.level}`, { title: `script ${r.level}` }, '!'), el('span', v.by));
	how.title = `${v.word} ${v.by}`;
	method.textContent = r.kind === 'tls_error' ? 'TLS' : r.websocket ? 'WS' : r.method;
	host.textContent = r.host + (r.port && r.port !== 80 && r.port !== 443 ? `:${r.port}` : '');
	fill(path, el('span', r.path), r.comment && el('em', r.comment));
	path.title = r.path;
	size.textContent = r.kind === 'tls_error' ? '' : bytes(r.size || 0);
	duration.textContent = r.open ? 'open' : millis(r.duration_ms || 0);
}
