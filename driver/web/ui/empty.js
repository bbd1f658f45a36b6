// What stands in an empty list: what to type next.

import { $, button, el, fill } from './dom.js';
import { status } from './live.js';
import { attempt, copy } from './notice.js';

let shown;

// empty shows the hint that fits.
export function empty(filter) {
	const at = status.running && status.proxy_address, now = filter || at;
	if (now === shown) return;
	shown = now;
	const command = text => el('p.command', el('code', text), button('Copy', () => attempt(() => copy(text))));
	fill($('empty'), filter ? el('h2', 'Nothing matches the filter') : !at ? [el('h2', 'The proxy is stopped'), el('p', el('a', { href: '#/control' }, '→ Control'))] : [
		el('h2', 'Waiting for the first request'),
		el('p', 'Let the device use the proxy ', el('code', at), ', or type:'),
		command(`curl -x http://${at} http://api.example.com/api/v1/status`),
		el('p', 'For HTTPS the device has to trust the CA, which the proxy hands out at http://mitm.it/:'),
		command(`curl -sx http://${at} -o ca.pem http://mitm.it/cert/pem`),
		command(`curl -x http://${at} --cacert ca.pem https://api.example.com/api/v1/status`),
	]);
}
