// The viewer of captured bodies. Nothing in them is ever run or rendered as
// markup: images are shown from a blob, all else is text.

import { body, save } from './api.js';
import { button, el, fill, pairs } from './dom.js';
import { bytes } from './format.js';
import { parse, pretty, tree } from './json.js';

const PIECE = 64 << 10;
const WHOLE = 2 << 20; // JSON and forms are fetched up to here to be understood
const IMAGE = 16 << 20;

const chosen = new Map(); // which view was picked, by what else there was

// bodyView shows one side's body of an exchange.
export function bodyView(seq, side, form) {
	const bar = el('div.modes', { role: 'group', 'aria-label': 'View as' });
	const content = el('div.content');
	const foot = el('div.foot');
	const b = new Body(seq, side);
	let modes, mode;

	function show(name) {
		mode = name;
		for (const x of bar.children) x.setAttribute('aria-pressed', x.textContent === name);
		fill(content, modes[name]());
		const rest = b.more && b.size - b.bytes.length;
		fill(foot,
			b.more && [button(`Show ${bytes(Math.min(rest, PIECE * 4))} more`, () => fetchMore(PIECE * 4)), ` ${bytes(b.bytes.length)} of ${bytes(b.size)} shown `],
			b.truncated && el('span.warning', 'Cut off: the proxy kept the beginning only. '),
			b.error && el('span.warning', `${b.error} `));
	}

	async function fetchMore(n) {
		await b.fetch(n);
		show(mode);
	}

	async function load() {
		await b.fetch(PIECE);
		if (!b.size && !b.bytes.length) return fill(view, el('p.none', b.truncated ? 'The body was not kept.' : b.error || 'No body.'));
		if (/json|x-www-form-urlencoded|multipart/.test(b.type) && b.size <= WHOLE || /^image\//.test(b.type) && b.size <= IMAGE) {
			while (b.more) await b.fetch(1 << 20);
		}
		modes = views(b, form);
		const names = Object.keys(modes), kind = names.join();
		fill(bar, names.map(name => button(name, () => {
			chosen.set(kind, name);
			show(name);
		})));
		bar.after(el('span.type', `${b.type || 'no content type'}, ${bytes(b.size)}`), button('Save', () => keep(b)));
		show(chosen.get(kind) || names[0]);
	}

	const view = el('div.body', el('div.bodybar', bar), content, foot);
	load().catch(e => fill(view, el('p.error', e.message)));
	return view;
}

// A Body is what is known of a body so far.
class Body {
	bytes = new Uint8Array();
	more = true;

	constructor(seq, side) {
		this.seq = seq;
		this.side = side;
	}

	async fetch(n) {
		const piece = await body(this.seq, this.side, this.bytes.length, n);
		const all = new Uint8Array(this.bytes.length + piece.bytes.length);
		all.set(this.bytes);
		all.set(piece.bytes, this.bytes.length);
		Object.assign(this, { bytes: all, size: piece.size, type: piece.type || '', binary: piece.binary, truncated: piece.truncated, error: piece.error });
		this.more = piece.more && piece.bytes.length > 0;
	}

	get text() {
		return decode(this.bytes);
	}
}

// whole fetches a body to its end.
export async function whole(seq, side) {
	const b = new Body(seq, side);
	do await b.fetch(1 << 20); while (b.more);
	return b;
}

// decode reads bytes as UTF-8, else as Latin-1. A character cut in two at the
// end of a piece is left out.
export function decode(data) {
	let end = data.length;
	for (let i = 1; i <= 3 && i <= data.length; i++) {
		if (data[data.length - i] >= 0xc0) {
			end = data.length - i;
			break;
		}
		if (data[data.length - i] < 0x80) break;
	}
	for (const [label, bytes] of [['utf-8', data], ['utf-8', data.subarray(0, end)]]) {
		try {
			return new TextDecoder(label, { fatal: true }).decode(bytes);
		} catch { /* the next */ }
	}
	return new TextDecoder('latin1').decode(data);
}

// views gives the ways to show a body, the best first.
function views(b, form) {
	const modes = {};
	const value = !b.binary && /^\s*[[{"\d\-tfn]/.test(b.text.slice(0, 99)) && !b.more ? parse(b.text) : undefined;
	if (value !== undefined) {
		if (value !== null && typeof value === 'object') modes.Tree = () => tree(value);
		modes.Pretty = () => el('pre.text', pretty(value));
	}
	if (form?.length) modes.Form = () => pairs(form);
	if (/^image\//.test(b.type) && !b.more) modes.Image = () => image(b);
	if (/xml|html/.test(b.type) && !b.binary) modes.Pretty = () => el('pre.text', indent(b.text));
	const text = () => el('pre.text', b.text), hex = () => el('pre.hex', dump(b.bytes));
	return b.binary ? { ...modes, Hex: hex, Text: text } : { ...modes, Text: text, Hex: hex };
}

function image(b) {
	const src = URL.createObjectURL(new Blob([b.bytes], { type: b.type }));
	const size = el('figcaption');
	const img = el('img', {
		alt: 'captured image',
		onload() {
			size.textContent = `${img.naturalWidth} × ${img.naturalHeight}`;
			URL.revokeObjectURL(src);
		},
		onerror() {
			size.textContent = 'This is no image that the browser can show.';
		},
		src,
	});
	return el('figure', img, size);
}

// indent puts the tags of markup on lines of their own.
function indent(text) {
	let depth = 0;
	return text.replace(/>\s*</g, '>\n<').split('\n').map(line => {
		if (/^<\//.test(line)) depth--;
		const out = '  '.repeat(Math.max(depth, 0)) + line.trim();
		if (/^<[^/!?][^>]*[^/]>$|^<\w>$/.test(line) && !/^<(area|br|hr|img|input|link|meta)\b/i.test(line)) depth++;
		return out;
	}).join('\n');
}

function dump(data) {
	const lines = [];
	for (let i = 0; i < data.length; i += 16) {
		const row = [...data.subarray(i, i + 16)];
		const hex = row.map(x => x.toString(16).padStart(2, '0'));
		const text = row.map(x => x >= 32 && x < 127 ? String.fromCharCode(x) : '·').join('');
		lines.push(`${i.toString(16).padStart(8, '0')}  ${hex.slice(0, 8).join(' ').padEnd(23)}  ${hex.slice(8).join(' ').padEnd(23)}  ${text}`);
	}
	return lines.join('\n');
}

async function keep(b) {
	const all = b.more ? await whole(b.seq, b.side) : b;
	const src = URL.createObjectURL(new Blob([all.bytes]));
	save(src, `${b.side}-${b.seq}.${/[a-z0-9]*$/.exec(b.type.split(/[;+]/)[0])[0] || 'bin'}`);
	setTimeout(() => URL.revokeObjectURL(src), 10000);
}

// payload shows a message's or a small body's bytes where they are known.
export function payload(data, binary) {
	const value = binary ? undefined : parse(decode(data));
	if (value !== null && typeof value === 'object') return tree(value);
	return binary ? el('pre.hex', dump(data)) : el('pre.text', decode(data));
}
