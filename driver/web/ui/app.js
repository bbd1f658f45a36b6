// The page: views, the traffic view's parts, and how they hang together.

import { annotate, copyCurl, makeMock, markMenu, resend, saveMenu, toggleMark } from './actions.js';
import { formFromStatus, loadControl, showStatus } from './control.js';
import { close, detail, nextTab, onTab, open, showTab } from './detail.js';
import { $, fill } from './dom.js';
import { empty } from './empty.js';
import { expressionBox, operatorHelp } from './filter.js';
import { count } from './format.js';
import { Journal } from './journal.js';
import { keyboard } from './keys.js';
import { List } from './list.js';
import { connect, onStatus, status, up } from './live.js';
import { loadMocks, loadScenarios } from './mocks.js';
import { attempt, complain } from './notice.js';
import { go, onRoute, readRoute, route } from './route.js';
import { loadScripts } from './scripts.js';
import { loadState } from './state.js';

const LOAD = { mocks: loadMocks, state: loadState, scripts: loadScripts, control: loadControl };
const POLL = 2000;

const journal = new Journal(change => {
	list.update(change);
	const open = change.changed.find(r => r.seq === detail.seq);
	if (open && detail.row.open && !open.open) show(); // a socket ended
	tally();
});
const list = new List($('head'), $('rows'), journal.rows, {
	pick: row => go({ seq: row.seq, tab: '' }),
	followed: on => $('follow').setAttribute('aria-pressed', on),
});
const setFilter = expressionBox('filter', f => apply({ f }));
const setHighlight = expressionBox('highlight', h => apply({ h }));

function apply(changes) {
	go(changes);
	journal.show(route.f, route.h).catch(complain);
}

function tally() {
	$('tally').textContent = [
		count(journal.rows.length) + (route.f ? ' match' : ''),
		journal.waiting && `${count(journal.waiting)} waiting`,
		journal.missed && `${count(journal.missed)} missed`,
	].filter(Boolean).join(' · ');
	empty(journal.rows.length ? null : { filter: route.f, clear: () => setFilter('') });
}

// show opens the pane for the exchange that the route names.
function show() {
	list.select(route.seq);
	open(route.seq, journal.get(route.seq), route.tab);
}

onRoute(r => {
	document.querySelectorAll('main > section').forEach(s => { s.hidden = s.id !== r.view; });
	document.querySelectorAll('[data-view]').forEach(a => a.setAttribute('aria-current', a.dataset.view === r.view ? 'page' : 'false'));
	setFilter(r.f);
	setHighlight(r.h);
	$('detail').hidden = $('splitter').hidden = !r.seq;
	if (!r.seq) close();
	else if (r.seq !== detail.seq) show();
	else showTab(r.tab);
	if (r.view === 'mocks') attempt(loadScenarios);
	if (r.view === 'control') formFromStatus();
	poll();
});
onTab(tab => go({ tab }));

// The tables of the other views are asked for while they are in sight.
let timer;
function poll() {
	clearTimeout(timer);
	const load = LOAD[route.view];
	if (!load) return;
	if (!document.hidden) load().catch(() => {});
	timer = setTimeout(poll, POLL);
}

up(() => {
	journal.sync().catch(e => e.status && complain(e));
	poll();
});
onStatus(s => {
	showStatus(s);
	const broken = !!s.scenario_error || Object.keys(s.addon_errors || {}).length > 0;
	document.querySelector('[data-view=scripts]').classList.toggle('alert', broken);
	if (s.captures?.first) journal.forget(s.captures.first);
	tally();
});

const actions = {
	pause() {
		journal.paused = !journal.paused;
		$('pause').setAttribute('aria-pressed', journal.paused);
		journal.flush();
	},
	clear: () => attempt(() => journal.clear()),
	follow: () => list.setFollow(!list.follow),
	save: () => saveMenu($('save')),
	'make-mock': makeMock,
	resend,
	'copy-curl': copyCurl,
	mark: () => markMenu($('mark')),
	close: () => go({ seq: 0, tab: '' }),
	operators: () => attempt(() => operatorHelp($('operators-open'))),
	theme() {
		const dark = getComputedStyle(document.documentElement).colorScheme === 'dark' || !document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches;
		localStorage.theme = document.documentElement.dataset.theme = dark ? 'light' : 'dark';
	},
};
for (const b of document.querySelectorAll('[data-do]')) b.onclick = actions[b.dataset.do];
for (const b of document.querySelectorAll('button[id]')) if (actions[b.id]) b.onclick = actions[b.id];
$('comment').onchange = e => annotate(detail.event.mark, e.target.value);
if (localStorage.theme) document.documentElement.dataset.theme = localStorage.theme;

function step(n) {
	const row = list.step(n);
	if (row && route.seq) go({ seq: row.seq, tab: '' });
}
const inTraffic = f => e => route.view === 'traffic' ? f(e) : false;
keyboard([
	['j ArrowDown', 'next exchange', inTraffic(() => step(1))],
	['k ArrowUp', 'previous exchange', inTraffic(() => step(-1))],
	['PageDown', 'a page on', inTraffic(() => step(list.page))],
	['PageUp', 'a page back', inTraffic(() => step(-list.page))],
	['g Home', 'first', inTraffic(() => step(-Infinity))],
	['G End', 'last', inTraffic(() => step(Infinity))],
	['Enter', 'open', inTraffic(() => list.current && go({ seq: list.current, tab: '' }))],
	['Escape', 'close', () => route.seq ? actions.close() : false],
	['h ArrowLeft', 'tab to the left', inTraffic(() => detail.event && nextTab(-1))],
	['l ArrowRight', 'tab to the right', inTraffic(() => detail.event && nextTab(1))],
	['/', 'filter', () => { go({ view: 'traffic' }); $('filter').select(); }],
	['m', 'make a mock', makeMock],
	['r', 'resend', resend],
	['c', 'copy as curl', copyCurl],
	['x', 'mark', toggleMark],
	['Space', 'pause', inTraffic(actions.pause)],
	['f', 'follow', inTraffic(actions.follow)],
	['z', 'clear', inTraffic(actions.clear)],
	['1 2 3 4 5', 'views', e => go({ view: ['traffic', ...Object.keys(LOAD)][e.key - 1] })],
	['?', 'this help', () => $('keys').showModal()],
]);

// The border between list and detail is moved by mouse or arrow keys.
const splitter = $('splitter');
function split(share) {
	localStorage.split = share = Math.min(Math.max(share, 0.2), 0.8);
	$('traffic').style.setProperty('--split', `${share * 100}%`);
}
if (localStorage.split) split(+localStorage.split);
splitter.onpointerdown = e => splitter.setPointerCapture(e.pointerId);
splitter.onpointermove = e => {
	if (splitter.hasPointerCapture(e.pointerId)) split(1 - e.clientX / innerWidth);
};
splitter.onkeydown = e => {
	const by = { ArrowLeft: 0.03, ArrowRight: -0.03 }[e.key];
	if (!by) return;
	split((+localStorage.split || 0.5) + by);
	e.stopPropagation();
};

readRoute();
connect();
