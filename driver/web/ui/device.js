// Setting a device up: where it reaches the proxy, how it is told, and what it has done.

import { $, clock, el, fill, onRoute, route, section } from './page.js';
import { onStatus, onUp } from './proxy.js';
import { call, stream } from './source.js';
import { keyed } from './tables.js';

let close, shown; // ends the stream; the address that the guides are for

const steps = list => list.map(s => [el('p', s.text), s.command && el('pre', el('code', s.command))]);

async function load(address) {
	if (shown === address) return;
	shown = address;
	const { addresses, guides } = await call('get_onboarding');
	fill($('device-addresses'), addresses.length ? addresses.map(a => el('figure', el('img', { src: a.qr, alt: `QR code of ${a.url}` }), el('figcaption', el('b', a.address), el('br'), el('a', { href: a.url, target: '_blank', rel: 'noreferrer' }, a.url)))) : 'The proxy is stopped.');
	fill($('device-guides'), guides.map(g => Object.assign(section(g.name, [el('h3', 'Use the proxy'), steps(g.proxy), el('h3', 'Trust the CA'), steps(g.trust)]), { open: false })));
}

// tick fills a cell with a step and links to its exchange.
const tick = (cell, s, problem) => {
	cell.className = s ? 'fine' : problem ? 'error' : 'dim';
	fill(cell, s ? ['✓ ', s.seq ? el('a', { href: `#/traffic/${s.seq}` }, clock(s.time)) : clock(s.time), ` ${s.about}`] : problem || '○ not yet');
};

const show = devices => keyed('device', devices, 'client', client => [el('code', client), '', '', ''], (d, name, ...cells) => {
	name.firstChild.textContent = d.name ? `${d.name} (${d.client})` : d.client;
	[d.reached, d.trusts, d.mocked].forEach((s, i) => tick(cells[i], s, i === 1 && d.problem));
});

function look() {
	const open = route.view === 'device';
	if (open && !close) close = stream('watch_onboarding', [], show);
	else if (!open && close) close = close();
}

onRoute(look);
onUp(() => { // the streams of the connection before are closed
	close = null;
	look();
});
onStatus(s => s.read_only || load(s.proxy_address).catch(() => {}));
