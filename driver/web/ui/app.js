// The page: how everything hangs together.

import { comment, copyCurl, makeMock, markMenu, resend, saveMenu, toggleMark } from './actions.js';
import { loadControl, resetForm, showStatus } from './control.js';
import { event, isOpen, nextTab, open, showTab } from './detail.js';
import { $ } from './dom.js';
import { empty } from './empty.js';
import { expressionBox, operatorHelp } from './filter.js';
import { count } from './format.js';
import { clear, flush, forget, journal, onChange, rowOf, show, sync } from './journal.js';
import { keyboard } from './keys.js';
import { makeList, pageSize, select, step, toggleFollow, update } from './list.js';
import { start } from './live.js';
import { loadMocks, loadScenarios } from './mocks.js';
import { attempt, complain } from './notice.js';
import { go, onRoute, route } from './route.js';
import { loadScripts } from './scripts.js';
import { loadState } from './state.js';

const TABLES = { mocks: loadMocks, state: loadState, scripts: loadScripts, control: loadControl };
const POLL = 2000;
const root = document.documentElement;

onChange((added, changed, anew) => {
	update(added, changed, anew);
	if (event?.socket && changed.some(r => r.seq === event.seq)) openRoute(); // it may have ended
	tally();
});
makeList(r => go({ seq: r.seq }));

const search = expressions => {
	go(expressions);
	show(route.f, route.h).catch(complain);
};
const setFilter = expressionBox('filter', f => search({ f }));
const setHighlight = expressionBox('highlight', h => search({ h }));

function tally() {
	const { rows, missed, paused, incoming } = journal;
	$('tally').textContent = count(rows.length) + (paused ? ` + ${count(incoming.length)}` : '') + (missed ? `, ${count(missed)} missed` : '');
	$('empty').hidden = rows.length;
	empty(route.f);
}

const openRoute = () => open(route.seq, rowOf(route.seq), route.tab);

onRoute(r => {
	for (const s of document.querySelectorAll('section')) s.hidden = s.id !== r.view;
	for (const a of document.querySelectorAll('nav a')) a.ariaCurrent = a.dataset.view === r.view ? 'page' : null;
	setFilter(r.f);
	setHighlight(r.h);
	$('detail').hidden = $('splitter').hidden = !r.seq;
	select(r.seq);
	if (isOpen(r.seq)) showTab(r.tab);
	else openRoute();
	if (r.view === 'mocks') attempt(loadScenarios);
	if (r.view === 'control') resetForm();
	poll();
});

// The tables of the other views are asked for while they are in sight.
let timer;
function poll() {
	clearTimeout(timer);
	if (!document.hidden) TABLES[route.view]?.().catch(() => {});
	timer = setTimeout(poll, POLL);
}

const actions = {
	pause() {
		$('pause').ariaPressed = journal.paused = !journal.paused;
		flush();
	},
	clear: () => attempt(clear),
	follow: toggleFollow,
	save: saveMenu,
	'make-mock': makeMock,
	resend,
	'copy-curl': copyCurl,
	mark: markMenu,
	close: () => go({ seq: 0 }),
	operators: () => attempt(operatorHelp),
	help: () => $('keys').showModal(),
	theme() {
		const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
		localStorage.theme = root.dataset.theme = dark ? 'light' : 'dark';
	},
};
for (const id in actions) $(id).onclick = actions[id];
$('comment').onchange = comment;
$('splitter').onpointerdown = e => e.target.setPointerCapture(e.pointerId);
$('splitter').onpointermove = e => {
	if (e.buttons) $('detail').style.width = `${innerWidth - e.clientX}px`;
};
root.dataset.theme = localStorage.theme || '';

const inList = f => () => route.view === 'traffic' && f();
const move = n => inList(() => {
	const seq = step(n());
	if (route.seq) go({ seq });
});
keyboard([
	['j ArrowDown', 'next', move(() => 1)],
	['k ArrowUp', 'previous', move(() => -1)],
	['PageDown', 'a page on', move(pageSize)],
	['PageUp', 'a page back', move(() => -pageSize())],
	['g Home', 'first', move(() => -Infinity)],
	['G End', 'last', move(() => Infinity)],
	['Enter', 'open', inList(() => go({ seq: step(0) }))],
	['Escape', 'close', actions.close],
	['h ArrowLeft', 'tab to the left', inList(() => event && nextTab(-1))],
	['l ArrowRight', 'tab to the right', inList(() => event && nextTab(1))],
	['/', 'filter', () => { go({ view: 'traffic' }); $('filter').select(); }],
	['m', 'make a mock', makeMock],
	['r', 'resend', resend],
	['c', 'copy as curl', copyCurl],
	['x', 'mark', toggleMark],
	['Space', 'pause', inList(actions.pause)],
	['f', 'follow', inList(toggleFollow)],
	['z', 'clear', inList(actions.clear)],
	['1 2 3 4 5', 'views', e => go({ view: ['traffic', ...Object.keys(TABLES)][e.key - 1] })],
	['?', 'this help', actions.help],
]);

start(() => sync().catch(complain), s => {
	showStatus(s);
	document.querySelector('[data-view=scripts]').className = s.scenario_error || Object.keys(s.addon_errors || {}).length ? 'alert' : '';
	forget(s.captures?.first);
	tally();
});
