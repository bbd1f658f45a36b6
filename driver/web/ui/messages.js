// The messages of a WebSocket, live while it is open.

import { unbase64 } from './api.js';
import { views } from './body.js';
import { el, fill } from './dom.js';
import { bytes, clock, count, hex } from './format.js';
import { stream } from './live.js';

const LIMIT = 1000; // shown at once

// messages gives the elements and a function that ends following.
export function messages(event) {
	const list = el('div', { role: 'log' }), foot = el('p.dim');
	let waiting = [], n = 0, end = 'The socket is open.';

	function show() {
		n += waiting.length;
		list.append(...waiting.slice(-LIMIT).map(line));
		while (list.children.length > LIMIT) list.firstChild.remove();
		fill(foot, `${count(n)} messages${n > LIMIT ? `, of which the last ${LIMIT} are shown` : ''}. ${end}`);
		waiting = [];
	}
	const close = stream('watch_messages', [event.seq, 0], m => {
		if (!waiting.length) requestAnimationFrame(show);
		if (m.kind !== 'end') return waiting.push(m);
		const { by, code = '', reason = '' } = { ...event.socket, ...m };
		end = `Closed${by ? ` by the ${by}` : ''}: ${code} ${reason}`;
		close();
	});
	show();
	return [[list, foot], close];
}

function line(m) {
	const data = m.binary ? unbase64(m.data) : new TextEncoder().encode(m.data);
	const fold = el('details.message', el('summary', el(`b.${m.from}`, { title: `from the ${m.from}` }, m.from === 'client' ? '↑' : '↓'),
		el('span.dim', `${clock(m.time)} ${bytes(m.size)}`), m.binary ? [...data.slice(0, 32)].map(hex).join(' ') : m.data.slice(0, 300)));
	fold.addEventListener('toggle', () => fold.append(Object.values(views({ bytes: data, binary: m.binary }))[0](), m.truncated ? 'Cut off.' : ''), { once: true });
	return fold;
}
