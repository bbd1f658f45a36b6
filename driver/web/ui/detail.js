// The pane with everything about one exchange.

import { ask } from './api.js';
import { bodyView } from './body.js';
import { $, button, el, fill, pairs, section } from './dom.js';
import { bytes, date, millis } from './format.js';
import { messages } from './messages.js';
import { editMock } from './mocks.js';
import { go } from './route.js';
import { pill, statusClass, statusOf, verdict, wrong } from './verdict.js';

const TABS = { request: 'Request', response: 'Response', messages: 'Messages', why: 'Why & notes', timing: 'Timing & connection' };

let seq = 0, row, tab, preferred = 'response';
let leave; // ends what the panel follows

// event is the exchange that is shown, null when there is none.
export let event = null;

export const isOpen = n => seq === n;

// open shows an exchange; r is its row, if the list has it. The pane changes
// when all is there, so that it does not flicker while one moves on.
export async function open(n, r, wanted) {
	seq = n;
	const e = n ? await ask('get_capture', n).catch(error => [$('tabs'), $('panel'), fill($('detail-head'), error.message)].slice(0, 2).forEach(x => fill(x))) : null;
	if (seq !== n) return;
	leave?.();
	event = e;
	if (!e) return;
	row = r || { ...e, status: e.response_status, error: e.failure, level: e.notes?.[0]?.level };
	head(e, e.why || {});
	showTab(wanted);
}

const tabs = () => Object.keys(TABS).filter(t => t !== 'messages' || event.socket).sort((a, b) => wrong(row) && (b === 'why') - (a === 'why'));

function head(e, why) {
	fill($('detail-head'), el('p.url', el('b', e.method), ' ', e.url),
		el('p', pill(verdict(row)), el(`b.${statusClass(row)}`, ` ${statusOf(row) || ''} `),
			why.misses?.[0] ? `nearest mock: ${why.misses[0].endpoint}` : row.endpoint ? `${row.endpoint} · ${place(why)}` : e.failure || e.server));
	fill($('tabs'), tabs().map(t => button(TABS[t], () => choose(t), { role: 'tab', 'data-tab': t, className: t === 'why' && wrong(row) ? 'alert' : '' })));
	showNote();
}

// showNote shows mark and comment.
export function showNote() {
	$('comment').value = event.comment || '';
	$('mark').firstChild.style.background = event.mark || '';
}

const place = w => w.file ? `${w.file}:${w.line}` : w.source || 'set one by one';

// choose shows a tab, of other exchanges too.
function choose(t) {
	preferred = t;
	go({ tab: t });
}

// nextTab moves by n tabs.
export function nextTab(n) {
	const all = tabs();
	choose(all.at((all.indexOf(tab) + n) % all.length));
}

export function showTab(wanted) {
	if (!event) return;
	const all = tabs();
	tab = all.includes(wanted) ? wanted : wrong(row) || !all.includes(preferred) ? all[0] : preferred;
	for (const b of $('tabs').children) b.ariaSelected = b.dataset.tab === tab;
	leave?.();
	leave = null;
	fill($('panel'), PANELS[tab](event)).scrollTop = 0;
}

const table = (title, rows) => section(title, pairs(Array.isArray(rows) ? rows : Object.entries(rows || {})));

const side = (e, name, headers, cookies, trailers, query) => [
	table('Headers', headers),
	table('Query', Object.entries(query || {}).flatMap(([n, values]) => values.map(v => [n, v]))),
	table('Cookies', cookies),
	table('Trailers', trailers),
	section('Body', bodyView(e.seq, name, name === 'request' && e.form)),
];

const PANELS = {
	request: e => side(e, 'request', e.headers_list, e.request_cookies, e.trailers, e.query),
	response: e => side(e, 'response', e.response_headers_list, e.response_cookies, e.response_trailers),
	messages(e) {
		const [nodes, end] = messages(e);
		leave = end;
		return nodes;
	},
	why(e) {
		const w = e.why || {}, card = (m, more) => el('div.card', el('code', m.endpoint), el('span.dim', place(m)), more);
		const parts = [
			e.failure && el('pre.error', e.failure),
			w.endpoint && section('Matched', card(w, button('Edit this mock', () => editMock(w.endpoint)))),
			w.misses && section('Nearest misses', w.misses.map(m => card(m, el('ul', m.why.map(x => el('li', x)))))),
			table('Recording', w.recording),
			e.notes && section('Script notes', e.notes.map(n => el(`pre.note.${n.level}`, n.text))),
		];
		return parts.some(Boolean) ? parts : el('p.dim', 'No mock had a part in it.');
	},
	timing(e) {
		const { uploaded_ms: sent = 0, duration_ms: total = e.duration_ms, answered_ms: answered = total } = e.timing || {};
		const span = (name, from, to) => {
			const bar = el('i');
			bar.style.marginLeft = `${100 * from / total}%`;
			bar.style.width = `${100 * (to - from) / total}%`;
			return [name, [bar, millis(Math.max(to - from, 0))]];
		};
		const tls = s => s ? [s.version, s.cipher, s.alpn].join(' ') : 'none';
		return [
			table('Timing', [['Began', date(e.timestamp - total / 1000)], span('Request', 0, sent), span('Waiting', sent, answered), span('Response', answered, total), ['Ended', date(e.timestamp)]]),
			table('Connection', [['Client', e.client], ['Server', e.server || 'not asked'], ['Protocol', e.protocol], ['SNI', e.sni], ['TLS to client', tls(e.tls?.client)], ['TLS to server', tls(e.tls?.server)],
				['Bodies', `${bytes(e.body_size)} sent, ${bytes(e.response_size)} received`]]),
		];
	},
};
