// What stands in an empty list: what to type next.

import { $, button, el, fill } from './dom.js';
import { status } from './live.js';
import { copy } from './notice.js';
import { go } from './route.js';

let shown;

// empty shows the hint that fits, or none.
export function empty(why) {
	const box = $('empty'), now = JSON.stringify([why, status.running, status.proxy_address]);
	box.hidden = !why;
	if (!why || now === shown) return;
	shown = now;
	if (why.filter) {
		fill(box, el('h2', 'Nothing matches the filter'), button('Clear the filter', why.clear));
	} else if (!status.running) {
		fill(box, el('h2', 'The proxy is stopped'), button('Start it', () => go({ view: 'control' })));
	} else {
		const at = status.proxy_address;
		fill(box, el('h2', 'Waiting for the first request'),
			el('p', 'Let the device use the proxy ', el('code', at), ', or type:'),
			command(`curl -x http://${at} http://api.example.com/api/v1/status`),
			el('p', 'For HTTPS the device has to trust the CA, which it gets from the proxy at http://mitm.it/ :'),
			command(`curl -sx http://${at} -o ca.pem http://mitm.it/cert/pem`),
			command(`curl -x http://${at} --cacert ca.pem https://api.example.com/api/v1/status`));
	}
}

const command = text => el('div.command', el('code', text), button('Copy', () => copy(text, 'the command')));
