// The TLS handshakes of devices: a row for each host, and the handshakes of one.

import { $, button, clock, el, fill, millis, pairs, section, sure } from './page.js';
import { call } from './source.js';
import { inSight, keyed, then } from './tables.js';

let chosen; // the row whose handshakes are listed

const name = key => key.replaceAll('_', ' '), text = v => [v].flat().join(', ');

const ending = h => el(`span.${h.ended === 'trusted' ? 'fine' : 'warning'}`, name(h.ended), h.reason && `: ${h.reason}`, h.alert && ` (${h.alert})`);

// facts returns all that is known of a handshake.
export const facts = h => pairs([
	['ended', ending(h)], ['fault', h.fault],
	...Object.entries(h.agreed || {}), ['JA4', h.ja4], ['JA3', h.ja3],
	...Object.entries(h.offered || {}).map(([k, v]) => [`offered ${k}`, v]),
].map(([k, v]) => v && text(v) && [name(k), v.nodeType ? v : text(v)]));

async function load() {
	const { hosts } = await call('tls_report');
	for (const r of hosts) r.key = `${r.host} ${r.client}`;
	keyed('tls', hosts, 'key', () => [button(), ...Array(7).fill('')], (r, host, ...cells) => {
		const open = r.key === chosen;
		Object.assign(host.firstChild, { textContent: r.host, ariaExpanded: open, onclick() {
			chosen = open ? '' : r.key;
			load();
		} });
		[r.client, r.trusted, r.rejected, r.left, r.never_offered, r.faults, r.reason ? ending(r) : text(r.versions)].forEach((v, i) => fill(cells[i], v.nodeType ? v : `${v}`));
	});
	const row = hosts.find(r => r.key === chosen);
	const list = row ? await call('list_handshakes', '', row.client, 0, 2000) : [];
	fill($('tls-list'), list.filter(h => row.host === h.host || row.host === h.sni).slice(-20).reverse()
		.map(h => section(`${clock(h.start)} · ${h.ended} · ${millis(h.duration_ms)}`, facts(h))));
}

$('tls-clear').onclick = e => sure(e.target, 'forget all handshakes', () => then(load)('clear_handshakes'));

inSight('tls', load);
