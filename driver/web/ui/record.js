// The data of a report, in the place of source.js. It is in the page itself: an index with
// the rows, and parts with all that is known of some exchanges each. Filters are evaluated
// here.

import { Body, compile } from './filter.js';
import { $ } from './page.js';

const STEP = 8192; // bytes that become a text at once

const parts = [];
let index;

// unpack reads an element of the page: JSON, compressed by gzip, in base64.
async function unpack(id) {
	const packed = new Blob([bytesOf($(id).textContent)]).stream().pipeThrough(new DecompressionStream('gzip'));
	return new Response(packed).json();
}

const bytesOf = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

function base64(bytes) {
	let text = '';
	for (let i = 0; i < bytes.length; i += STEP) text += String.fromCharCode(...bytes.subarray(i, i + STEP));
	return btoa(text);
}

const ready = unpack('index').then(data => {
	index = data;
	if (index.short) index.status.session.note = index.short;
});

// part returns the part with a number. Its bodies are bytes then.
const part = n => parts[n] ??= unpack(`part-${n}`).then(p => {
	p.bodies = p.bodies.map(text => new Body(bytesOf(text)));
	return p;
});

async function exchange(seq) {
	const at = index.rows.findIndex(r => r.seq === seq);
	if (at < 0) throw new Error(`no captured request ${seq}`);
	const { bodies, exchanges } = await part(index.parts[at]);
	return { ...exchanges[seq], body: n => bodies[n] };
}

// picker returns a function that tells of the row at a place whether an expression matches.
async function picker(expr) {
	const x = expr.trim() ? compile(expr, index.rules) : null;
	if (!x) return () => undefined;
	if (x.part === 'fields') return at => x.match({ fields: index.fields[at] });
	const all = await Promise.all(index.parts.map(part));
	return at => {
		const { bodies, exchanges } = all[at], e = exchanges[index.rows[at].seq];
		return x.match({ fields: index.fields[at], headers: e.headers, bodies: new Proxy(e.bodies, { get: (o, name) => o[name]?.map(n => bodies[n]) }) });
	};
}

const METHODS = {
	status: () => index.status,
	list_timeline: () => index.timeline || [],
	tls_report: () => index.tls || { hosts: [] },
	list_handshakes: () => [],
	count_captures: () => index.counts,
	list_filter_operators: () => index.rules,

	check_filter(expr) {
		try {
			compile(expr, index.rules);
			return { ok: true };
		} catch ({ message, column }) {
			return { error: message, column };
		}
	},

	async list_captures(filter, highlight, before, limit) {
		const shows = await picker(filter), lights = await picker(highlight), rows = [];
		for (let at = index.rows.length - 1; at >= 0 && rows.length < limit; at--) {
			const row = index.rows[at];
			if (before && row.seq >= before || shows(at) === false) continue;
			rows.push({ ...row, highlight: !!lights(at) });
		}
		rows.reverse();
		const last = index.rows.at(-1)?.seq || 0;
		return { journal: 'report', since: '', rows, total: index.rows.length, first: rows[0]?.seq || 0, last, dropped: 0 };
	},

	get_capture: async seq => (await exchange(seq)).detail,

	async get_capture_body(seq, side, offset, limit) {
		const e = await exchange(seq), { bytes } = e.body(e[side].data), data = bytes.subarray(offset, offset + limit);
		return { ...e[side].body, offset, more: offset + data.length < bytes.length, data: base64(data) };
	},

	async copy_request(seq, form, proxy) {
		if (form === 'curl' && !proxy) return (await exchange(seq)).detail.curl;
		throw new Error('A report has the curl command alone.');
	},

	async render_body(seq, side, message) {
		const e = await exchange(seq);
		return (message ? e.messages.find(m => m.seq === message) : e[side]).views || { views: [] };
	},

	async list_messages(seq, after, before, limit) {
		const e = await exchange(seq), some = e.messages.filter(m => m.seq > after && (before <= 0 || m.seq < before));
		return (before ? some.slice(-limit) : some.slice(0, limit)).map(m => message(e, m));
	},
};

function message(e, m) {
	const body = e.body(m.data);
	return { ...m, data: m.binary ? base64(body.bytes) : body.text() };
}

export async function call(name, ...args) {
	if (!(name in METHODS)) throw new Error('A report shows what was. Nothing can be changed.');
	await ready;
	return METHODS[name](...args);
}

export const download = () => { throw new Error('A report has no other files.'); };

// stream gives nothing: nothing comes later.
export const stream = () => () => {};

// start begins once the index is read.
export async function start(setStatus, begin) {
	await ready;
	$('connection').textContent = $('connection').className = 'report';
	setStatus(index.status);
	begin();
}
