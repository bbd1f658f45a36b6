// Captured bodies and messages. Nothing in them is ever run or rendered as
// markup: images are shown from a blob, all else is text.

import { isBranch, parse, pretty, tree } from './json.js';
import { button, bytes, clock, count, el, fill, hex, pairs, saveBytes } from './page.js';
import { call, stream } from './source.js';

const PIECE = 1 << 16;
const WHOLE = 1 << 20; // bytes of a body that are fetched when it is parsed

const MESSAGES = 1000; // shown at once

const chosen = {}; // the view that was picked, by the list of views

export function bodyView(seq, side, form) {
	const view = el('div');

	function show(b) {
		const modes = views(b, form), names = Object.keys(modes), mode = chosen[names] || names[0];
		fill(view, el('div.bodybar',
			names.map(name => button(name, () => {
				chosen[names] = name;
				show(b);
			}, { ariaPressed: name === mode })),
			el('span.dim.grow', `${b.type} ${bytes(b.size)}`),
			button('Save', async () => saveBytes((await fetchBody(seq, side)).bytes, `${side}-${seq}.${/\w*$/.exec(b.type)}`))),
		modes[mode](),
		b.more && button(`Show more (${bytes(b.bytes.length)} shown)`, async () => show(await fetchBody(seq, side, b.bytes.length + 4 * PIECE, b))),
		el('p.warning', b.truncated && 'Cut off: the proxy kept only the beginning. ', b.error));
	}

	(async () => {
		let b = await fetchBody(seq, side, PIECE);
		if (!b.bytes.length) return fill(view, el('p.dim', b.error || (b.truncated ? 'The body was not kept.' : 'No body.')));
		if (/json|form|^image/.test(b.type) && b.size <= WHOLE) b = await fetchBody(seq, side, WHOLE, b);
		show(b);
	})().catch(e => fill(view, el('p.error', e.message)));
	return view;
}

// fetchBody fetches more of the body b, up to a size.
export async function fetchBody(seq, side, upto = Infinity, b = { bytes: new Uint8Array(), more: true }) {
	while (b.more && b.bytes.length < upto) {
		const piece = await call('get_capture_body', seq, side, b.bytes.length, Math.min(upto - b.bytes.length, 1 << 20)), data = unbase64(piece.data);
		b = { ...piece, charset: b.charset ?? piece.charset, more: piece.more && data.length > 0, bytes: new Uint8Array(await new Blob([b.bytes, data]).arrayBuffer()) };
	}
	return b;
}

const unbase64 = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

export function decode(data, charset) {
	try {
		return new TextDecoder(charset || 'utf-8', { fatal: !charset }).decode(data, { stream: true }); // the last character may be cut
	} catch {
		return new TextDecoder('latin1').decode(data);
	}
}

// views returns the ways to show a body, the best first.
function views(b, form) {
	const modes = {}, plain = b.binary ? '' : decode(b.bytes, b.charset), value = b.more ? undefined : parse(plain);
	if (isBranch(value)) {
		modes.Tree = () => tree(value);
		modes.Pretty = () => el('pre', pretty(value));
	}
	if (form?.length) modes.Form = () => pairs(form);
	if (/^image/.test(b.type) && !b.more) modes.Image = () => image(b);
	if (!b.binary) modes.Text = () => el('pre', plain);
	modes.Hex = () => el('pre.hex', dump(b.bytes));
	return modes;
}

function image(b) {
	const src = URL.createObjectURL(new Blob([b.bytes], { type: b.type }));
	return el('img', { alt: 'captured image', src, onload: () => URL.revokeObjectURL(src) });
}

function dump(data) {
	const lines = [];
	for (let i = 0; i < data.length; i += 16) {
		const row = [...data.slice(i, i + 16)], text = row.map(x => x > 31 && x < 127 ? String.fromCharCode(x) : '·').join('');
		lines.push(`${i.toString(16).padStart(8, '0')}  ${row.map(hex).join(' ').padEnd(48)} ${text}`);
	}
	return lines.join('\n');
}

// messages returns the elements, and a function that stops following.
export function messages(event) {
	const list = el('div', { role: 'log' }), foot = el('p.dim');
	let waiting = [], n = 0, end = 'The socket is open.';

	function show() {
		n += waiting.length;
		list.append(...waiting.slice(-MESSAGES).map(line));
		while (list.children.length > MESSAGES) list.firstChild.remove();
		fill(foot, `${count(n)} messages. ${end}`);
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
