// The bar with hosts and devices: how many exchanges each one has, and how many failed. A
// click shows the exchanges of one.

import { $, button, count, el, go, keyboard, onRoute, popup, route, store } from './page.js';
import { call } from './source.js';
import { inSight, keyed, then } from './tables.js';

const PAUSE = 1000; // ms between two looks; a look that takes long is followed by a longer pause

const regex = text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
export const hostExpr = name => `~d ^${regex(name)}$`;
export const deviceExpr = name => `~src ^${regex(name.includes(':') ? `[${name}]` : name)}:`;

const choose = expr => go({ f: route.f === expr ? '' : expr });

const cells = expr => name => [button(name, () => choose(expr(name)), { 'data-expr': expr(name) }), '', el('span.error')];

function rename(anchor, address, now) {
	const name = el('input', { value: now, ariaLabel: `Name of ${address}`, maxLength: 100 });
	const save = () => {
		$('popup').hidePopover();
		then(load)('name_device', address, name.value);
	};
	name.onkeydown = e => e.key === 'Enter' && save();
	popup(anchor, name, button('Save', save));
}

function draw(item, name, n, errors) {
	name.firstChild.textContent = item.title || item.name;
	name.firstChild.title = item.name;
	n.textContent = count(item.count);
	errors.firstChild.textContent = item.errors ? `${count(item.errors)} ✕` : '';
	errors.title = item.errors ? `${item.errors} failed` : '';
}

const press = () => {
	for (const b of $('sidebar').querySelectorAll('[data-expr]')) b.ariaPressed = b.dataset.expr === route.f;
};

async function load() {
	if ($('sidebar').hidden) return;
	const began = performance.now(), { hosts, devices } = await call('count_captures');
	keyed('hosts', hosts, 'name', cells(hostExpr), draw);
	keyed('devices', devices, 'name', address => [...cells(deviceExpr)(address), button('✎', e => rename(e.target, address, e.target.value), { className: 'live', ariaLabel: `Name ${address}` })], (item, ...of) => {
		draw(item, ...of);
		of[3].firstChild.value = item.title || '';
	});
	press();
	await new Promise(done => setTimeout(done, Math.max(PAUSE, 20 * (performance.now() - began))));
}

function show(on) {
	store.sidebar = on ? 'on' : '';
	$('sidebar').hidden = !on;
	$('hosts').ariaExpanded = on;
	return load();
}

onRoute(press);
show(!!store.sidebar);
inSight('traffic', load);
keyboard([['b', 'hosts and devices', () => show($('sidebar').hidden), 'hosts']], 'traffic');
