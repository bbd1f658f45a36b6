// The page: the list of exchanges and the controls around it. The modules for its
// other views are imported last.

import { cursor, makeList, select, step, toggleFollow, update } from './list.js';
import { $, button, copy, count, el, fill, go, keyboard, later, onRoute, onView, popup, read, route, store, sure } from './page.js';
import { clear, connect, flush, forget, journal, onChange, onStatus, onUp, show, status } from './proxy.js';
import { click, extend } from './selection.js';
import { call } from './source.js';

const root = document.documentElement;

root.dataset.theme = store.theme || '';
makeList((seq, e) => click(seq, e) || go({ seq }));
onChange((...news) => {
	update(...news);
	tally();
});

// expressionBox checks a filter expression while it is typed, and calls apply with each
// valid one. It returns a function that sets the text.
function expressionBox(name, apply) {
	const input = $(name), problem = $(`${name}-error`), place = `recent-${name}`;
	let recent = JSON.parse(store[place] || '[]'), applied = '';

	async function check() {
		const expr = input.value;
		const { error, column } = expr.trim() ? await call('check_filter', expr).catch(e => ({ error: e.message })) : {};
		if (expr !== input.value) return; // more was typed meanwhile
		problem.hidden = !error;
		input.ariaInvalid = !!error;
		if (error) problem.textContent = (column ? `${' '.repeat(column - 1)}▲\n` : '') + error;
		else if (expr !== applied) apply(applied = expr);
	}

	input.oninput = later(check);
	input.onchange = async () => {
		await check();
		if (!applied || applied !== input.value) return;
		recent = [...new Set([applied, ...recent])].slice(0, 12);
		store[place] = JSON.stringify(recent);
	};
	return expr => {
		if (expr === applied) return;
		input.value = expr;
		check();
	};
}

$('operators').onclick = async () => {
	const input = $('filter'), insert = op => {
		$('popup').hidePopover();
		input.focus();
		input.setRangeText(`~${op} `, input.selectionStart, input.selectionEnd, 'end');
		input.oninput();
	};
	popup($('operators'), el('table', (await call('list_filter_operators')).map(o => el('tr', el('td', button(`~${o.name}`, () => insert(o.name))), el('td', o.arg), el('td', o.help)))),
		el('p', 'A word alone searches the URL. Combine with & | ! ( ); quote what has spaces.'));
};

const search = expressions => {
	go(expressions);
	show(route.f, route.h);
};
const setFilter = expressionBox('filter', f => search({ f }));
const setHighlight = expressionBox('highlight', h => search({ h }));

function tally() {
	const { rows, missed, paused, incoming } = journal;
	$('tally').textContent = count(rows.length) + (journal.open.length ? `, ${count(journal.open.length)} in flight` : '') + (paused ? ` + ${count(incoming.length)}` : '') + (missed ? `, ${count(missed)} missed` : '');
	if ($('empty').hidden = rows.length + journal.open.length) return;
	const at = status.proxy_address, hint = route.f || `${status.read_only || at}`, box = $('empty');
	if (box.title === hint) return;
	box.title = hint;
	const command = text => el('p.command', el('code', text), button('Copy', () => copy(text)));
	fill(box, route.f ? el('h2', 'Nothing matches the filter.') : status.read_only ? el('h2', 'The file has no exchanges.') : !at ? el('h2', 'The proxy is stopped: ', el('a', { href: '#/control' }, 'start it.')) : [
		el('h2', 'Waiting for the first request'),
		el('p', el('a', { href: '#/device' }, 'Let the device use the proxy'), ' ', el('code', at), ', or type:'),
		command(`curl -x http://${at} http://api.example.com/api/v1/status`),
		el('p', 'For HTTPS the device has to trust the CA, which the proxy hands out at http://mitm.it/:'),
		command(`curl -sx http://${at} -o ca.pem http://mitm.it/cert/pem`),
		command(`curl -x http://${at} --cacert ca.pem https://api.example.com/api/v1/status`),
	]);
}

onStatus(s => {
	const { entries, first, total } = s.captures;
	forget(entries ? first : total + 1);
	tally();
	root.classList.toggle('read-only', !!s.read_only);
	for (const a of document.querySelectorAll('nav a')) a.hidden = s.views ? !s.views.includes(a.dataset.view) : a.dataset.view === 'timeline';
	if (s.read_only) {
		$('summary').textContent = document.title = s.file;
		return;
	}
	$('summary').textContent = s.running ? `${s.mode} · ${s.proxy_address}${s.clock ? ' · clock turned' : ''}` : 'stopped';
	$('summary').className = s.running && s.mode !== 'record' ? '' : 'error';
	document.querySelector('[data-view=scripts]').className = s.scenario_error || Object.keys(s.addon_errors || {}).length ? 'alert' : '';
});

onView(view => {
	for (const s of document.querySelectorAll('section')) s.hidden = s.id !== view;
	for (const a of document.querySelectorAll('nav a')) a.ariaCurrent = a.dataset.view === view ? 'page' : null;
});
onRoute(r => {
	setFilter(r.f);
	setHighlight(r.h);
	select(r.seq);
	if (!r.seq && $('detail').contains(document.activeElement)) $('rows').focus(); // it is about to be hidden
});

// A view is opened with the filter that is set.
document.querySelector('nav').onclick = e => {
	const { view } = e.target.closest('a')?.dataset || {};
	if (!view || e.ctrlKey || e.metaKey || e.shiftKey) return;
	e.preventDefault();
	go({ view, seq: 0 });
};
const links = () => [...document.querySelectorAll('nav a:not([hidden])')];

function pause() {
	$('pause').ariaPressed = journal.paused = !journal.paused;
	flush();
}

function theme() {
	const now = root.dataset.theme || matchMedia('(prefers-color-scheme: dark)').matches && 'dark';
	store.theme = root.dataset.theme = now === 'dark' ? 'light' : 'dark';
}

const move = n => e => {
	const from = cursor(), seq = step(n);
	if (e.shiftKey && e.key.length > 1) return extend(from, seq);
	if (!$('detail').contains(document.activeElement)) $('rows').focus({ preventScroll: true }); // focus follows the cursor
	if (route.seq) go({ seq });
};
keyboard([
	['1 2 3 4 5 6 7 8 9', 'views', e => links()[e.key - 1] && go({ view: links()[e.key - 1].dataset.view, seq: 0 })],
	['d', 'dark or light', theme, 'theme'],
	['?', 'this help', () => $('keys').showModal(), 'help'],
]);
keyboard([
	['/', 'filter', () => $('filter').select()],
	['Space', 'pause', pause, 'pause'],
	['f', 'follow', toggleFollow, 'follow'],
	['z', 'clear', () => journal.rows.length && sure($('clear'), `forget all ${count(Math.max(status.captures.entries, journal.rows.length))} exchanges`, clear), 'clear'],
	['j ArrowDown', 'next', move(1)],
	['k ArrowUp', 'previous', move(-1)],
	['PageDown', '25 on', move(25)],
	['PageUp', '25 back', move(-25)],
	['g Home', 'first', move(-Infinity)],
	['G End', 'last', move(Infinity)],
	['Enter', 'open', () => go({ seq: step(0) })],
], 'traffic');

onUp(async () => {
	await Promise.all(['detail', 'live', 'actions', 'hold', 'mocks', 'state', 'tls', 'scripts', 'device', 'control', 'timeline', 'sidebar', 'open', 'filters', 'figures', 'compare'].map(pane => import(`./${pane}.js`)));
	root.dataset.whole = 'yes'; // each key and button has what it does
});
read();
connect();
