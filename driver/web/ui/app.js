// The page: how everything hangs together.

import { comment, copyCurl, makeMock, markMenu, resend, saveMenu, toggleMark } from './actions.js';
import { loadControl, loadScripts, showStatus } from './control.js';
import { event, isOpen, nextTab, open, showTab } from './detail.js';
import { $, button, count, el, fill } from './dom.js';
import { expressionBox, operatorHelp } from './filter.js';
import { clear, flush, forget, journal, onChange, rowOf, show, sync } from './journal.js';
import { keyboard } from './keys.js';
import { makeList, select, step, toggleFollow, update } from './list.js';
import { start, status } from './live.js';
import { loadMocks, loadScenarios } from './mocks.js';
import { copy } from './notice.js';
import { go, onRoute, route } from './route.js';
import { loadState } from './state.js';

const TABLES = { mocks: loadMocks, state: loadState, scripts: loadScripts, control: loadControl };
const POLL = 2000;
const root = document.documentElement;

onChange((added, changed, anew) => {
	update(added, changed, anew);
	if (event?.socket && changed.some(r => r.seq === event.seq)) openRoute(); // it may have ended
	tally();
});
makeList(seq => go({ seq }));

const search = expressions => {
	go(expressions);
	show(route.f, route.h);
};
const setFilter = expressionBox('filter', f => search({ f }));
const setHighlight = expressionBox('highlight', h => search({ h }));

function tally() {
	const { rows, missed, paused, incoming } = journal;
	$('tally').textContent = count(rows.length) + (paused ? ` + ${count(incoming.length)}` : '') + (missed ? `, ${count(missed)} missed` : '');
	if ($('empty').hidden = rows.length) return;
	const at = status.proxy_address, hint = route.f || `${at}`, box = $('empty');
	if (box.title === hint) return;
	box.title = hint;
	const command = text => el('p.command', el('code', text), button('Copy', () => copy(text)));
	fill(box, route.f ? el('h2', 'Nothing matches the filter.') : !at ? el('h2', 'The proxy is stopped: ', el('a', { href: '#/control' }, 'start it.')) : [
		el('h2', 'Waiting for the first request'),
		el('p', 'Let the device use the proxy ', el('code', at), ', or type:'),
		command(`curl -x http://${at} http://api.example.com/api/v1/status`),
		el('p', 'For HTTPS the device has to trust the CA, which the proxy hands out at http://mitm.it/:'),
		command(`curl -sx http://${at} -o ca.pem http://mitm.it/cert/pem`),
		command(`curl -x http://${at} --cacert ca.pem https://api.example.com/api/v1/status`),
	]);
}

const openRoute = () => open(route.seq, rowOf(route.seq), route.tab);

// The tables of the other views are asked for while they are in sight.
let timer;
function poll() {
	clearTimeout(timer);
	if (!document.hidden) TABLES[route.view]?.().catch(() => {});
	timer = setTimeout(poll, POLL);
}

onRoute((r, before) => {
	for (const s of document.querySelectorAll('section')) s.hidden = s.id !== r.view;
	for (const a of document.querySelectorAll('nav a')) a.ariaCurrent = a.dataset.view === r.view ? 'page' : null;
	setFilter(r.f);
	setHighlight(r.h);
	$('detail').hidden = !r.seq;
	select(r.seq);
	if (isOpen(r.seq)) showTab(r.tab);
	else openRoute();
	if (r.view !== before) {
		loadScenarios();
		$('mode').value = status.mode;
	}
	poll();
});

function pause() {
	$('pause').ariaPressed = journal.paused = !journal.paused;
	flush();
}

function theme() {
	const now = root.dataset.theme || matchMedia('(prefers-color-scheme: dark)').matches && 'dark';
	localStorage.theme = root.dataset.theme = now === 'dark' ? 'light' : 'dark';
}
root.dataset.theme = localStorage.theme || '';

const move = n => {
	const seq = step(n);
	if (route.seq) go({ seq });
};
keyboard([
	['j ArrowDown', 'next', () => move(1)],
	['k ArrowUp', 'previous', () => move(-1)],
	['PageDown', '25 on', () => move(25)],
	['PageUp', '25 back', () => move(-25)],
	['g Home', 'first', () => move(-Infinity)],
	['G End', 'last', () => move(Infinity)],
	['Enter', 'open', () => go({ seq: step(0) })],
	['Escape', 'close', () => go({ seq: 0 }), 'close'],
	['h ArrowLeft', 'tab to the left', () => event && nextTab(-1)],
	['l ArrowRight', 'tab to the right', () => event && nextTab(1)],
	['/', 'filter', () => $('filter').select()],
	['m', 'make a mock', makeMock, 'make-mock'],
	['r', 'resend', resend, 'resend'],
	['c', 'copy as curl', copyCurl, 'copy-curl'],
	['x', 'mark', toggleMark],
	['Space', 'pause', pause, 'pause'],
	['f', 'follow', toggleFollow, 'follow'],
	['z', 'clear', clear, 'clear'],
	['s', 'save', saveMenu, 'save'],
].map(([keys, what, f, id]) => [keys, what, () => route.view === 'traffic' && f(), id]).concat([
	['1 2 3 4 5', 'views', e => go({ view: ['traffic', ...Object.keys(TABLES)][e.key - 1], seq: 0 })],
	['d', 'dark or light', theme, 'theme'],
	['?', 'this help', () => $('keys').showModal(), 'help'],
]));
$('mark').onclick = markMenu;
$('operators').onclick = operatorHelp;
$('comment').onchange = comment;

start(() => {
	sync();
	if (event) openRoute();
}, s => {
	showStatus(s);
	document.querySelector('[data-view=scripts]').className = s.scenario_error || Object.keys(s.addon_errors || {}).length ? 'alert' : '';
	const { entries, first, total } = s.captures;
	forget(entries ? first : total + 1);
	tally();
});
