// Captured bodies. Nothing in them is ever run or rendered as markup: images are shown from
// a blob, all else is text. The proxy lays them out.

import { button, bytes, el, fill, hex, pairs, saveBytes } from './page.js';
import { call } from './source.js';
import { indented, tree } from './tree.js';

const PIECE = 1 << 16;
const WHOLE = 1 << 20; // bytes of an image that is shown

const chosen = {}; // the view that was picked, by the list of views

export function bodyView(seq, side) {
	const view = el('div');
	let laid;

	function show(b) {
		const modes = views(b, laid.views), names = Object.keys(modes), mode = chosen[names] || names[0];
		fill(view, el('div.bodybar',
			names.map(name => button(name, () => {
				chosen[names] = name;
				show(b);
			}, { ariaPressed: name === mode })),
			el('span.dim.grow', `${b.type} ${bytes(b.size)}`),
			b.size !== 0 && button('Save', async () => saveBytes((await fetchBody(seq, side)).bytes, `${side}-${seq}.${/\w*$/.exec(b.type)}`))),
		modes[mode](),
		b.more && /Text|Hex/.test(mode) && button(`Show more (${bytes(b.bytes.length)} shown)`, async () => show(await fetchBody(seq, side, b.bytes.length + 4 * PIECE, b))),
		el('p.warning', b.truncated && 'Cut off: the proxy kept only the beginning. ', b.error));
	}

	(async () => {
		let b;
		[b, laid] = await Promise.all([fetchBody(seq, side, PIECE), call('render_body', seq, side)]);
		if (!b.bytes.length && !laid.views.length) return fill(view, el('p.dim', b.error || (b.truncated ? 'The body was not kept.' : 'No body.')));
		if (/^image/.test(b.type) && b.size <= WHOLE) b = await fetchBody(seq, side, WHOLE, b);
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

export const unbase64 = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

export function decode(data, charset) {
	try {
		return new TextDecoder(charset || 'utf-8', { fatal: !charset }).decode(data, { stream: true }); // the last character may be cut
	} catch {
		return new TextDecoder('latin1').decode(data);
	}
}

// views returns the ways to show a body, the best first: those of the proxy, and its bytes.
export function views(b, laid) {
	const modes = {}, plain = b.binary ? '' : decode(b.bytes, b.charset);
	for (const v of laid) {
		const notes = v.notes?.map(n => el('p.warning', n)), json = v.name === 'JSON' && v.parts[0].tree;
		modes[v.name] = () => [v.parts.map(part), notes];
		if (json) modes.Pretty = () => [el('pre', indented(json)), notes];
	}
	if (/^image/.test(b.type) && !b.more) modes.Image = () => image(b);
	if (!b.binary && b.bytes.length) modes.Text = () => el('pre', plain);
	if (b.bytes.length) modes.Hex = () => el('pre.hex', dump(b.bytes));
	return modes;
}

const part = p => [p.title && el('h3', p.title), pairs(p.table), p.text && el('pre', p.text), p.tree && tree(p.tree), p.data && image({ type: p.type, bytes: unbase64(p.data) })];

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
