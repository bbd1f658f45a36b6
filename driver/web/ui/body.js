// The viewer of captured bodies. Nothing in them is ever run or rendered as
// markup: images are shown from a blob, all else is text.

import { ask, saveBytes, unbase64 } from './api.js';
import { button, el, fill, pairs } from './dom.js';
import { bytes, hex } from './format.js';
import { isBranch, parse, pretty, tree } from './json.js';

const PIECE = 1 << 16;
const WHOLE = 1 << 22; // what has to be understood is fetched up to here

const chosen = {}; // which view was picked, by what else there was

// bodyView shows one side's body of an exchange.
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

// fetchBody gets a body up to a size, going on from where b ended.
export async function fetchBody(seq, side, upto = Infinity, b = { bytes: new Uint8Array(), more: true }) {
	while (b.more && b.bytes.length < upto) {
		const piece = await ask('get_capture_body', seq, side, b.bytes.length, Math.min(upto - b.bytes.length, 1 << 20)), data = unbase64(piece.data);
		b = { ...piece, more: piece.more && data.length > 0, bytes: new Uint8Array(await new Blob([b.bytes, data]).arrayBuffer()) };
	}
	return b;
}

// decode reads bytes as UTF-8, else as Latin-1.
export function decode(data) {
	try {
		return new TextDecoder('utf-8', { fatal: true }).decode(data, { stream: true }); // the last character may be cut
	} catch {
		return new TextDecoder('latin1').decode(data);
	}
}

// views gives the ways to show a body, the best first.
export function views(b, form) {
	const modes = {}, plain = b.binary ? '' : decode(b.bytes), value = b.more ? undefined : parse(plain);
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
	const src = URL.createObjectURL(new Blob([b.bytes], { type: b.type })), size = el('p.dim'), img = el('img', { alt: 'captured image', src });
	img.onload = () => {
		size.textContent = `${img.naturalWidth} × ${img.naturalHeight}`;
		URL.revokeObjectURL(src);
	};
	return [img, size];
}

function dump(data) {
	const lines = [];
	for (let i = 0; i < data.length; i += 16) {
		const row = [...data.slice(i, i + 16)], text = row.map(x => x > 31 && x < 127 ? String.fromCharCode(x) : '·').join('');
		lines.push(`${i.toString(16).padStart(8, '0')}  ${row.map(hex).join(' ').padEnd(48)} ${text}`);
	}
	return lines.join('\n');
}
