// The messages of a WebSocket, live while it is open.

import { unbase64 } from './api.js';
import { payload } from './body.js';
import { el } from './dom.js';
import { bytes, clock, count } from './format.js';
import { stream } from './live.js';

const LIMIT = 1000; // shown at once

// messages gives the element and a function that ends following.
export function messages(event) {
	const list = el('div.messages', { role: 'log' });
	const foot = el('p.none', 'Waiting for messages…');
	let waiting = [], frame = 0, n = 0, end = '';

	const close = stream('watch_messages', [event.seq, 0], m => {
		if (m.kind === 'end') {
			const s = { ...event.socket, ...m };
			end = `Closed${s.by ? ` by the ${s.by}` : ''}${s.code ? `: ${s.code}` : ''} ${s.reason || ''}`;
			close();
		} else {
			waiting.push(m);
		}
		frame ||= requestAnimationFrame(flush);
	});

	function flush() {
		frame = 0;
		n += waiting.length;
		list.append(...waiting.slice(-LIMIT).map(line));
		waiting = [];
		while (list.children.length > LIMIT) list.firstChild.remove();
		foot.textContent = `${n > LIMIT ? `The last ${count(LIMIT)} of ${count(n)} messages. ` : n ? '' : 'No messages. '}${end || 'The socket is open.'}`;
	}
	return [[list, foot], close];
}

function line(m) {
	const data = m.binary ? unbase64(m.data) : new TextEncoder().encode(m.data);
	const fold = el(`details.message.${m.from}`, el('summary', el('span.dir', { title: `from the ${m.from}` }, m.from === 'client' ? '↑' : '↓'),
		el('time', clock(m.time)), el('span.num', bytes(m.size)), el('code', m.binary ? `binary: ${[...data.subarray(0, 24)].map(x => x.toString(16).padStart(2, '0')).join(' ')}` : m.data.slice(0, 300))));
	fold.addEventListener('toggle', () => fold.append(payload(data, m.binary), m.truncated ? 'Cut off.' : ''), { once: true });
	return fold;
}
