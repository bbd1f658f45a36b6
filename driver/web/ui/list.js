// The grid of exchanges. Only rows in sight have elements, and these are used
// again: row i is always shown by element i modulo their number.

import { columnMenu, fit, handle } from './columns.js';
import { $, button, bytes, clock, el, fill, millis, store } from './page.js';
import { journal, status } from './proxy.js';

const port = r => r.port && r.port !== 80 && r.port !== 443 ? `:${r.port}` : '';
const isHTTP = r => !/^(tls_error|refused)$/.test(r.kind);

// A column has its width, the key by which rows are sorted, and what a cell shows: its
// title, and its content where that is another. Those that grow share what is left; those
// with extra are shown when they are chosen.
const COLUMNS = {
	Number: { width: 52, extra: true, key: r => r.seq, cell: r => [r.seq < 0 ? `@${r.live}` : `${r.seq}`] },
	Time: { width: 104, key: r => r.start, cell: r => [`${clock(r.start)} ${r.mark || ''}`, r.mark && mark(r.mark), clock(r.start)] },
	Status: { width: 48, key: r => statusOf(r), cell: r => [`${statusOf(r) || ''}`] },
	Answered: { width: 120, grow: 1.3, key: r => { const v = verdict(r); return `${v.word} ${v.by}`; }, cell(r) {
		const v = verdict(r);
		return [`${v.word} ${v.by} ${r.level || ''}`, pill(v), r.level && el(`b.note.${r.level}`, '!'), v.by];
	} },
	Method: { width: 58, key: r => r.method, cell: r => [r.kind === 'tls_error' ? 'TLS' : r.websocket ? 'WS' : r.method] },
	Scheme: { width: 44, key: r => r.scheme, cell: r => [r.scheme] },
	Host: { width: 120, grow: .8, key: r => r.host, cell: r => [where(r)] },
	Path: { width: 180, grow: 2.5, key: r => r.path, cell(r) {
		const at = names.includes('Host') ? '' : where(r);
		return [`${at}${r.path} ${r.comment || ''}`, at && el('span.at', at), el('span', r.path, r.comment && el('em', r.comment))];
	} },
	Device: { width: 120, extra: true, key: r => r.client || '', cell: r => [device(r), device(r)] },
	Type: { width: 120, extra: true, key: r => r.type, cell: r => [r.type || ''] },
	Size: { width: 66, key: r => r.size, cell: r => [isHTTP(r) ? bytes(r.size) : ''] },
	Duration: { width: 72, key: r => r.duration_ms, cell: r => [r.born && r.open ? lasting(r) : r.open ? 'open' : r.kind === 'refused' ? '' : millis(r.duration_ms)] },
};
// lasting returns how long an exchange in flight has lasted.
export function lasting(r) {
	const ms = performance.now() - r.born;
	return ms < 60000 ? `${Math.floor(ms / 1000)} s` : `${Math.floor(ms / 60000)} min`;
}

// addressOf returns the address of the device, without the port.
export const addressOf = r => r.client?.replace(/:\d+$/, '').replace(/[[\]]/g, '') || '';
const device = r => status.devices?.[addressOf(r)] || addressOf(r);
let names = []; // of the columns that are shown
const where = r => `${names.includes('Scheme') || !r.scheme ? '' : `${r.scheme}://`}${r.host}${port(r)}`;
const cells = (role, content) => names.map(c => el(`div.c-${c.toLowerCase()}`, { role }, content?.(c)));

const body = $('rows'), sizer = el('div', { id: 'sheet', role: 'rowgroup' });
let view = []; // what is shown, sorted
let [column, down] = (store.order || 'Time ▲').split(' ').map((x, i) => i ? x === '▼' : x);
let lines = [], height = 24;
let top = 0, space = 0; // where it is scrolled to, and how high the part with the rows is
let current = 0; // the number of the row with the cursor
let follow = true;

// chosen has the numbers of the rows that are selected, besides the one with the cursor.
export const chosen = new Set();

// makeList calls pick with the number of a row and the click on it.
export function makeList(pick) {
	body.append(sizer);
	body.onscroll = scrolled;
	body.onclick = e => {
		const line = e.target.closest('#sheet .row');
		if (line) pick(line.row.seq, e);
	};
	new ResizeObserver(resized).observe(body);
	$('columns').onclick = () => columnMenu($('columns'), COLUMNS, resized, order(), sort);
}

const order = () => `${column} ${down ? '▼' : '▲'}`;

function sort(by, descending) {
	column = by;
	down = descending;
	store.order = order();
	head();
	update([], [], true);
	select(current);
}

function head() {
	for (const h of $('head').children) h.ariaSort = h.firstChild.textContent !== column ? 'none' : down ? 'descending' : 'ascending';
}

function arrange(added) {
	const { key } = COLUMNS[column], sign = down ? -1 : 1;
	view = added ? view.concat(added) : journal.rows.concat(journal.open);
	view.sort((a, b) => { // quick where nearly all are in order
		const x = key(a), y = key(b);
		return sign * (x < y ? -1 : x > y ? 1 : a.seq - b.seq);
	});
}

const follows = () => follow && column === 'Time';

// update shows a change of the journal. Unless the list follows new exchanges, the
// visible rows stay in their places.
export function update(added, changed, anew) {
	const at = Math.floor(top / height), row = view[at];
	arrange(!anew && !changed.length && added);
	const to = follows() ? at : view.indexOf(row);
	if (to >= 0) top += (to - at) * height;
	place(anew || changed.length);
}

// place shows the rows from top on, once the size of the list is known. The
// browser lays out once, at the end.
function place(all) {
	if (!lines.length) return;
	const end = Math.max(0, view.length * height - space);
	top = follows() ? down ? 0 : end : Math.min(top, end);
	sizer.style.height = `${view.length * height}px`;
	body.ariaRowCount = view.length + 1;
	paint(all);
	body.scrollTop = top;
}

function setFollow(on) {
	follow = on;
	$('follow').ariaPressed = on;
	place();
}

export const toggleFollow = () => setFollow(!follow);

function scrolled() {
	if (Math.abs(body.scrollTop - top) < 1) return;
	top = body.scrollTop;
	const at = (down ? top : view.length * height - space - top) < 4;
	if (at !== follow && column === 'Time') setFollow(at);
	paint();
}

function resized() {
	if (!body.clientWidth) return; // another view is shown
	const had = String(names), focused = document.activeElement?.ariaLabel;
	names = fit(COLUMNS, body.clientWidth);
	if (String(names) !== had) {
		fill($('head'), cells('columnheader', c => [button(c, () => sort(c, column === c && !down)), c !== 'Path' && handle(COLUMNS, c, resized)]));
		[...$('head').querySelectorAll('i')].find(i => i.ariaLabel === focused)?.focus();
		head();
	}
	const line = () => el('div.row', { role: 'row' }, cells('gridcell'));
	height = fill(sizer, line()).firstChild.offsetHeight || height;
	space = body.clientHeight - $('head').offsetHeight;
	lines = Array.from({ length: space / height + 9 }, line);
	fill(sizer, lines);
	place();
}

function paint(all) {
	const n = lines.length, first = Math.max(0, Math.floor(top / height) - 4);
	for (let i = first; i < first + n; i++) {
		const line = lines[i % n], row = view[i], on = row?.seq === current;
		if (row && (all || line.row !== row)) draw(line, row);
		if (line.at !== i || !line.row !== !row) {
			line.at = i;
			line.hidden = !row;
			line.ariaRowIndex = i + 2;
			line.style.transform = `translateY(${i * height}px)`;
		}
		line.row = row;
		const picked = chosen.size ? chosen.has(row?.seq) : on;
		if (line.on !== on) line.classList.toggle('cursor', line.on = on);
		if (line.picked !== picked) line.ariaSelected = line.picked = picked;
	}
	const active = lines.some(line => line.on) ? `row-${current}` : '';
	if (body.getAttribute('aria-activedescendant') !== active) body.setAttribute('aria-activedescendant', active);
}

export const repaint = () => paint();

// age counts on in the rows in sight that are in flight.
export function age() {
	for (const line of lines) if (!line.hidden && journal.flying.has(line.row)) draw(line, line.row);
}

// replace gives the row with the cursor another number.
export function replace(from, to) {
	if (current === from) current = to;
}

// cursor returns the number of the row with the cursor, 0 for none.
export const cursor = () => index() < 0 ? 0 : current;

const index = () => view.findIndex(r => r.seq === current);

// select puts the cursor on a row and brings it into sight.
export function select(seq) {
	if (!seq) return;
	current = seq;
	const i = index(), y = i * height, to = Math.max(Math.min(top, y), y + height - space);
	if (i >= 0 && to !== top) {
		top = to;
		setFollow(false);
	}
	paint();
}

// between returns the numbers of the rows from one to another, or of the first and the last
// of all.
export function between(a, b, ends) {
	const at = seq => view.findIndex(r => r.seq === seq);
	if (ends) return [view[0]?.seq, view.at(-1)?.seq];
	const i = at(a), j = at(b);
	return view.slice(Math.max(Math.min(i, j), 0), Math.max(i, j) + 1).map(r => r.seq).filter(seq => seq > 0);
}

// step moves the cursor by n rows and returns the number of its row.
export function step(n) {
	select(view[Math.min(Math.max(index() + n, 0), view.length - 1)]?.seq);
	return current;
}

// say sets the text of a cell, by default also as its title. An unchanged text causes
// no layout.
const say = (cell, title, ...content) => {
	if (cell.title !== title) fill(cell, content.length ? content : title).title = title;
};

function draw(line, r) {
	line.dataset.seq = r.seq;
	line.id = `row-${r.seq}`;
	line.className = `row k-${verdict(r).kind} ${r.highlight ? 'lit' : ''} ${line.on ? 'cursor' : ''}`;
	names.forEach((name, i) => {
		const cell = line.children[i];
		if (name === 'Status') cell.className = `c-status ${statusClass(r)}`;
		say(cell, ...COLUMNS[name].cell(r));
	});
}

export function mark(colour) {
	const dot = el('i.dot', { title: colour });
	dot.style.background = colour;
	return dot;
}

export const statusOf = r => r.status || r.sent_status || 0;

export const statusClass = r => `s${Math.floor(statusOf(r) / 100)}`;

// verdict returns a CSS class, a word, and the reason or the source of the answer.
export function verdict(r) {
	const status = statusOf(r), own = r.origin === 'proxy';
	const [kind, word, by] = r.seq < 0 ? [/^held/.test(r.state) ? 'held' : 'open', r.type === 'text/event-stream' ? 'event stream' : r.state]
		: r.kind === 'tls_error' ? ['tls', 'TLS failure', r.error]
		: r.kind === 'refused' ? ['refused', 'refused', r.error]
		: r.error === 'cut off by hand' ? ['fault', 'cut off', 'by hand']
		: r.fault ? ['fault', 'fault', r.error?.replace('fault: ', '')]
		: own && /^the device /.test(r.error) ? ['bad', 'device left', r.error]
		: own && status === 501 ? ['nomatch', 'no match', 'no mock fits']
		: own && (status >= 400 || r.error) ? ['bad', status === 502 ? 'unreachable' : status ? 'proxy error' : 'no answer', r.error]
		: own ? ['server', 'proxy']
		: r.kind === 'tcp' && !r.error ? ['server', 'stream']
		: r.origin === 'passthrough' ? r.error ? ['bad', 'server error', r.error] : ['server', 'real server']
		: [r.origin, r.origin === 'mocked' ? 'mock' : r.origin];
	return { kind, word, by: by || r.endpoint || '' };
}

export const pill = v => el(`span.pill.k-${v.kind}`, v.word);

export const wrong = r => r.kind === 'tls_error' || r.kind === 'refused' || r.level || r.error && !r.fault || r.origin === 'proxy' && statusOf(r) >= 400;
