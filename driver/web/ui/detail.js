// The pane with everything about one exchange.

import { bodyView } from './body.js';
import { diffView, lines } from './diff.js';
import { readable } from './json.js';
import { pill, statusClass, statusOf, verdict, wrong } from './list.js';
import { messages } from './messages.js';
import { editMock } from './mocks.js';
import { $, button, bytes, date, el, fill, go, keyboard, millis, onRoute, pairs, route, section } from './page.js';
import { onChange, onUp, rowOf, status } from './proxy.js';
import { call } from './source.js';
import { facts } from './tls.js';

const TABS = { request: 'Request', response: 'Response', messages: 'Messages', why: 'Why & notes', timing: 'Timing & connection' };

let seq = 0, row, state, tab, preferred = 'response';
let leave; // ends what the panel follows

// shown.event is the exchange that is shown, null when there is none. shown.opening is the
// promise of the exchange that was chosen last.
export const shown = { event: null, opening: null };

// open shows the exchange of the route. It changes the panel only when everything has
// been fetched, so that the panel does not flicker.
async function open() {
	const n = route.seq, before = stateOf(rowOf(n));
	if (n !== seq) fill($('tabs'));
	seq = n;
	shown.opening = n && call('get_capture', n).catch(error => ({ error: error.message }));
	const e = await shown.opening;
	if (seq !== n) return;
	if (n < 0 && e.seq > 0) return go({ seq: e.seq, tab: route.tab }); // it has ended
	leave?.();
	shown.event = e?.seq ? e : null;
	for (const id of ['panel', 'detail-head']) fill($(id), id === 'panel' && e.error);
	if (!shown.event) return;
	row = rowOf(n) || e.row;
	const why = e.why || {};
	for (const id of ['make-mock', 'resend', 'copy-curl', 'copy-as']) $(id).disabled = !e.curl; // no request came
	fill($('detail-head'), el('p.url', el('b', e.method), ' ', e.url), el('p', pill(verdict(row)), el(`b.${statusClass(row)}`, ` ${statusOf(row) || ''} `),
		why.misses?.[0] && statusOf(row) === 501 ? `nearest mock: ${why.misses[0].endpoint}` : row.endpoint ? `${row.endpoint} · ${place(why)}` : row.error || e.server));
	fill($('tabs'), tabs().map(t => button(TABS[t], () => choose(t), { role: 'tab', 'data-tab': t, className: t === 'why' && wrong(row) ? 'alert' : '' })));
	showNote();
	showTab();
	state = before ?? stateOf(row);
	news(); // of the time while it was fetched
}

// stateOf returns a text that changes when an exchange in flight has to be fetched anew. More
// bytes and messages are no reason.
const stateOf = r => r && `${r.websocket || r.kind === 'tcp' ? '' : r.state} ${r.status} ${r.open}`;

function news() {
	if ((shown.event?.socket || shown.event?.open) && stateOf(row) !== state) open();
}

const tabs = () => Object.keys(TABS).filter(t => t !== 'messages' || shown.event.socket).sort((a, b) => wrong(row) && (b === 'why') - (a === 'why'));

export function showNote() {
	$('comment').value = shown.event.comment;
	$('comment').readOnly = $('mark').disabled = !!status.read_only;
	$('mark').firstChild.style.background = shown.event.mark;
}

const place = w => w.file ? `${w.file}:${w.line}` : w.source;

function choose(t) {
	preferred = t;
	go({ tab: t });
}

function nextTab(n) {
	if (!shown.event) return;
	const all = tabs();
	choose(all.at((all.indexOf(tab) + n) % all.length));
}

function showTab() {
	if (!shown.event) return;
	const all = tabs();
	tab = all.includes(route.tab) ? route.tab : wrong(row) || !all.includes(preferred) ? all[0] : preferred;
	for (const b of $('tabs').children) b.ariaSelected = b.dataset.tab === tab;
	leave?.();
	leave = null;
	fill($('panel'), PANELS[tab](shown.event)).scrollTop = 0;
}

const table = (title, rows = []) => section(title, pairs(Array.isArray(rows) ? rows : Object.entries(rows)));

const side = (name, prefix) => e => [
	table('Headers', e[`${prefix}headers_list`]), !prefix && table('Query', e.query_list), table('Cookies', e[`${name}_cookies`]), table('Trailers', e[`${prefix}trailers_list`]),
	section('Body', bodyView(e.seq, name)),
];

const answer = (t, span) => t.headed_ms ? [span('Waiting', t.headed_ms - t.wait_ms, t.headed_ms), span('Receiving', t.headed_ms, t.headed_ms + t.receive_ms)] : [['Answer', 'none']];

const PANELS = {
	request: side('request', ''),
	response: side('response', 'response_'),
	messages(e) {
		const [nodes, end] = messages(e);
		leave = end;
		return nodes;
	},
	why(e) {
		const w = e.why || {}, notes = [...e.notes || [], ...e.socket?.notes || []];
		const edit = m => button('Edit this mock', () => editMock(m.endpoint), { className: 'live' });
		const card = (m, more) => el('div.card', el('code', m.endpoint), el('span.dim', place(m)), edit(m), more);
		const parts = [
			e.failure && el('pre.error', e.failure),
			e.came && section('What came', el('pre', e.came), e.body_truncated && el('p.warning', `The beginning of ${bytes(e.body_size)}.`)),
			w.endpoint && section('Matched', card(w)),
			w.recording && section('Replayed from', w.recording),
			w.misses?.length && section('Mocks that came nearest', w.misses.map(m => card(m, el('ul', m.why.map(x => el('li', x)))))),
			e.edits?.length && section('Changed', e.edits.map(c => [el('h3', `${c.part} of the ${c.side}, by ${c.by}`), diffView(lines(readable(c.before), readable(c.after)))])),
			e.edits_omitted && el('p.warning', 'What was changed is too long to be kept.'),
			e.met?.length && section('Met', e.met.map(text => el('p.warning', text))),
			notes.length && section('Script notes', notes.map(n => el(`pre.note.${n.level}`, n.text))),
		];
		return parts.some(Boolean) ? parts : el('p.dim', 'No mock had a part in it.');
	},
	timing(e) {
		const t = e.timing, { uploaded_ms: sent, answered_ms: answered, duration_ms: total } = t;
		const span = (name, from, to) => {
			const bar = el('i'), ms = Math.max(to - from, 0);
			bar.style.marginLeft = `${100 * from / total}%`;
			bar.style.width = `${100 * ms / total}%`;
			return [name, [bar, millis(ms)]];
		};
		let at;
		const tls = s => s ? `${s.version} ${s.cipher} ${s.alpn}` : 'none';
		return [
			table('Timing', [['Began', date(e.start)], span('Request', 0, sent), span('Waiting', sent, answered), span('Response', answered, total), e.open ? ['Ended', 'not yet'] : ['Ended', date(e.timestamp)]]),
			t.asked_ms != null && table('To the real server', t.connect_ms == null ? [['Connection', 'was there already'], ...answer(t, span)]
				: [span('DNS', t.asked_ms, at = t.asked_ms + t.dns_ms), span('Connect', at, at += t.connect_ms), t.tls_ms && span('TLS', at, at + t.tls_ms), ...answer(t, span)]),
			table('Connection', [['Client', e.client], ['Server', e.server || 'not asked'], ['Protocol', e.protocol], ['SNI', e.sni], ['TLS to client', tls(e.tls.client)], ['TLS to server', tls(e.tls.server)]]),
			e.handshake && section('TLS handshake', facts(e.handshake)),
		];
	},
};

keyboard([
	['Escape', 'close', () => go({ seq: 0 }), 'close'],
	['h ArrowLeft', 'tab to the left', () => nextTab(-1)],
	['l ArrowRight', 'tab to the right', () => nextTab(1)],
], 'traffic');
onRoute(({ seq: n }) => {
	$('detail').hidden = !n;
	n === seq ? showTab() : open();
});
onUp(() => shown.event && open());
// A socket may have ended; an exchange in flight may have an answer now.
onChange((_, changed) => changed.some(r => r.seq === seq) && news());
