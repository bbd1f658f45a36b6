// The pane with everything about one exchange.

import { ask } from './api.js';
import { bodyView } from './body.js';
import { $, button, el, fill, pairs, section } from './dom.js';
import { bytes, date, millis } from './format.js';
import { messages } from './messages.js';
import { editMock } from './mocks.js';
import { pill, statusClass, verdict, wrong } from './verdict.js';

const TABS = { why: 'Why & notes', request: 'Request', response: 'Response', messages: 'Messages', timing: 'Timing & connection' };

let preferred = 'response'; // the tab that was last chosen
let leave = () => {}; // ends what the panel shown follows

export const detail = { seq: 0, event: null, row: null, tab: '' };

// open shows an exchange; row is its line in the list, if it is there. The pane
// changes when all is there, so that moving through the list does not flicker.
export async function open(seq, row, tab) {
	detail.seq = seq;
	let event;
	try {
		event = await ask('get_capture', seq);
	} catch (e) {
		if (seq === detail.seq) {
			detail.event = null;
			fill($('detail-head'), el('p.error', e.message));
			fill($('tabs'));
			fill($('panel'));
		}
		return;
	}
	if (seq !== detail.seq) return;
	Object.assign(detail, { event, row: row || asRow(event) });
	head();
	showTab(tab);
}

export function close() {
	detail.seq = 0;
	detail.event = null;
	leave();
}

// asRow makes the row of an exchange that the list does not show.
const asRow = e => ({
	...e, status: e.response_status, error: e.failure || '', fault: /^fault: /.test(e.failure), duration_ms: e.duration_ms, size: e.response_size,
	level: e.notes?.some(n => n.level === 'error') ? 'error' : e.notes?.length ? 'warning' : '',
});

const tabs = () => Object.keys(TABS).filter(t => t !== 'messages' || detail.event.socket).sort((a, b) => wrong(detail.row) ? 0 : (a === 'why') - (b === 'why'));

function head() {
	const { event: e, row: r } = detail, v = verdict(r), s = r.status || r.sent_status;
	fill($('detail-head'),
		el('div.url', el('b', e.method), ' ', e.url),
		el('div.how', pill(v), s ? el(`b.${statusClass(s)}`, `${s} `) : null, el('span', because(e, r, v))));
	fill($('tabs'), tabs().map(t => el('button', {
		type: 'button', role: 'tab', 'data-tab': t, id: `tab-${t}`, 'aria-controls': 'panel',
		className: t === 'why' && wrong(r) ? 'alert' : '', onclick: () => chooseTab(t),
	}, TABS[t])));
	$('comment').value = e.comment || '';
	$('mark').className = `mark m-${e.mark || 'none'}`;
}

// because is the verdict in one line.
function because(e, r, v) {
	const at = place(e.why) || e.source;
	if (r.kind === 'tls_error') return `The device refused the connection: ${e.alert || e.failure}`;
	if (e.why?.misses) return e.why.misses.length ? `No mock matched; nearest: ${e.why.misses[0].endpoint}` : 'No mock matched.';
	return [r.endpoint, at && `(${at})`, r.error].filter(Boolean).join(' ') || (v.kind === 'server' ? `answered by ${e.server || e.host || 'the real server'}` : '');
}

const place = w => w?.file ? `${w.file}:${w.line}` : w?.source;

// chooseTab is the user's wish, which holds for other exchanges too.
export let chooseTab = tab => { preferred = tab; };
export function onTab(f) {
	chooseTab = tab => {
		preferred = tab;
		f(tab);
	};
}

// nextTab moves by n tabs.
export function nextTab(n) {
	const all = tabs();
	chooseTab(all[(all.indexOf(detail.tab) + n + all.length) % all.length]);
}

export function showTab(tab) {
	if (!detail.event) return;
	const all = tabs();
	if (!all.includes(tab)) tab = wrong(detail.row) || !all.includes(preferred) ? all[0] : preferred;
	detail.tab = tab;
	for (const b of $('tabs').children) {
		b.setAttribute('aria-selected', b.dataset.tab === tab);
		b.tabIndex = b.dataset.tab === tab ? 0 : -1;
	}
	leave();
	leave = () => {};
	const panel = $('panel');
	panel.setAttribute('aria-labelledby', `tab-${tab}`);
	fill(panel, PANELS[tab](detail.event, detail.row));
	panel.scrollTop = 0;
}

const PANELS = {
	request: e => [
		part('Headers', e.headers_list),
		part('Query', Object.entries(e.query || {}).flatMap(([n, values]) => values.map(v => [n, v]))),
		part('Cookies', e.request_cookies),
		part('Trailers', Object.entries(e.trailers || {})),
		section('Body', bodyView(e.seq, 'request', e.form)),
	],
	response: e => [
		part('Headers', e.response_headers_list),
		part('Cookies', e.response_cookies),
		part('Trailers', Object.entries(e.response_trailers || {})),
		section('Body', bodyView(e.seq, 'response')),
	],
	messages(e) {
		const [node, end] = messages(e);
		leave = end;
		return node;
	},
	why: (e, r) => {
		const w = e.why || {}, notes = e.notes || [];
		return [
			(e.failure || e.alert) && el('pre.error', [e.failure, e.alert !== e.failure && e.alert].filter(Boolean).join('\n')),
			w.endpoint && section('Matched', el('div.card', el('code', w.endpoint), el('span.place', place(w)), button('Edit this mock', () => editMock(w.endpoint)))),
			w.recording && section('Recording', typeof w.recording === 'string' ? el('p', w.recording) : pairs(Object.entries(w.recording).map(([k, v]) => [k, String(v)]))),
			w.misses && section('Nearest misses', w.misses.length
				? w.misses.map(m => el('div.card', el('code', m.endpoint), el('span.place', m.source), el('ul', m.why.map(x => el('li', x)))))
				: el('p.none', 'There are no mocks.')),
			notes.length && section('Script notes', notes.map(n => el(`pre.note.${n.level}`, n.text))),
			!(w.endpoint || w.recording || w.misses || notes.length || e.failure || e.alert) && el('p.none', r.origin === 'passthrough' ? 'No mock was asked: it went to the real server.' : 'Nothing to tell.'),
		];
	},
	timing: e => {
		const t = e.timing || {}, total = t.duration_ms || e.duration_ms || 0, tls = s => s ? [s.version, s.cipher, s.alpn].filter(Boolean).join(' · ') : 'none';
		const start = e.timestamp - total / 1000;
		const spans = [['Request', 0, t.uploaded_ms || 0], ['Waiting', t.uploaded_ms || 0, t.answered_ms ?? total], ['Response', t.answered_ms ?? total, total]];
		return [
			section('Timing', [
				el('div.spans', spans.map(([name, from, to]) => {
					const bar = el('i');
					bar.style.marginLeft = `${100 * from / (total || 1)}%`;
					bar.style.width = `${100 * Math.max(0, to - from) / (total || 1)}%`;
					return [el('span', name), el('div', bar), el('span.num', millis(Math.max(0, to - from)))];
				})),
				pairs([['Began', date(start)], ['Ended', date(e.timestamp)], ['Took', millis(total)], ['Request body', bytes(e.body_size || 0)], ['Response body', bytes(e.response_size || 0)]]),
			]),
			section('Connection', pairs([
				['Client', e.client || ''], ['Server', e.server || 'not contacted'], ['Protocol', e.protocol || ''], e.sni && ['SNI', e.sni],
				['TLS to client', tls(e.tls?.client)], ['TLS to server', tls(e.tls?.server)], ['Number', String(e.seq)],
			])),
		];
	},
};

const part = (title, rows) => section(title, pairs(rows));
