// The messages of a WebSocket, in pages from the first to the last. The last page follows the
// socket while it is open.

import { unbase64, views } from './body.js';
import { button, bytes, clock, count, el, fill, hex } from './page.js';
import { call, stream } from './source.js';

const PAGE = 500;

// messages returns the elements, and a function that stops following.
export function messages(event) {
	const list = el('div', { role: 'log' }), bar = el('div.bodybar'), { seq, socket } = event;
	let close = () => {}, first, last, following, waiting = [], total = socket.messages, end = socket.closed ? ending(socket) : 'The socket is open.';

	const at = (label, title, off, where) => button(label, () => turn(...where()), { title, disabled: off });

	function foot() {
		const from = first?.index || 0, to = last?.index || 0;
		fill(bar, at('⏮', 'first page', from < 2, () => [0, 0]), at('◀', 'previous page', from < 2, () => [0, first.seq]),
			at('▶', 'next page', to >= total, () => [last.seq, 0]), at('⏭', 'last page, and follow', following, () => [0, -1]),
			el('span.dim.grow', `${count(from)}–${count(to)} of ${count(total)} messages${following ? ', following' : ''}. ${end}`));
	}

	function add(all) {
		const shown = all.filter(m => m.kind !== 'end');
		list.append(...shown.slice(-PAGE).map(m => line(seq, m)));
		while (list.children.length > PAGE) list.firstChild.remove();
		first = list.firstChild?.message;
		last = list.lastChild?.message;
		total = Math.max(total, last?.index || 0);
		foot();
	}

	// turn shows the page after a message or before one; -1 is the end.
	async function turn(after, before) {
		close();
		const page = await call('list_messages', seq, after, before, PAGE);
		fill(list);
		following = false;
		add(page);
		if (last && last.index < total || !socket.messages && socket.closed) return;
		following = !socket.closed;
		foot();
		if (following) follow(last?.seq || 0);
	}

	function follow(after) {
		close = stream('watch_messages', [seq, after], m => {
			if (!waiting.length) requestAnimationFrame(() => {
				const all = waiting;
				waiting = [];
				add(all);
			});
			waiting.push({ ...m, index: total + waiting.length + 1 });
			if (m.kind !== 'end') return;
			socket.closed = true;
			following = false;
			end = ending({ ...socket, ...m });
			close();
		});
	}
	turn(0, socket.closed ? 0 : -1);
	return [[bar, list], () => close()];
}

const ending = ({ by, from, code = '', reason = '' }) => `Closed${by || from ? ` by the ${by || from}` : ''}: ${code} ${reason}`;

function line(seq, m) {
	const data = m.binary ? unbase64(m.data) : new TextEncoder().encode(m.data);
	const fold = el('details.message', el('summary', el(`b.${m.from}`, { title: `from the ${m.from}` }, m.from === 'client' ? '↑' : '↓'),
		el('span.dim', `${clock(m.time)} ${bytes(m.size)}`), m.binary ? [...data.slice(0, 32)].map(hex).join(' ') : m.data.slice(0, 300)));
	fold.message = m;
	fold.addEventListener('toggle', async () => {
		const laid = await call('render_body', seq, 'response', m.seq), all = Object.values(views({ bytes: data, binary: m.binary }, laid.views));
		fold.append(el('div', ...[all[0]()].flat(9).filter(Boolean), m.truncated ? 'Cut off.' : ''));
	}, { once: true });
	return fold;
}
