// The driver's methods, as the web server offers them.

export class Failure extends Error {
	constructor(status, message) {
		super(message);
		this.status = status; // of HTTP; 0 when nothing answered
	}
}

// call gives the result of a method.
export async function call(name, ...args) {
	let res;
	try {
		res = await fetch(`api/call/${name}`, {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify(args),
		});
	} catch {
		throw new Failure(0, 'The proxy does not answer.');
	}
	const answer = await res.json().catch(() => ({}));
	if (!res.ok) throw new Failure(res.status, answer.error || `${name}: HTTP status ${res.status}`);
	return answer.result;
}

// ask is call for methods whose result is JSON in a string.
export const ask = async (name, ...args) => JSON.parse(await call(name, ...args));

// tell is call for methods that answer with a sentence, of which those that
// begin with one of the given words mean success.
export async function tell(good, name, ...args) {
	const sentence = await call(name, ...args);
	if (!good.test(sentence)) throw new Failure(200, sentence);
	return sentence;
}

const query = args => `args=${encodeURIComponent(JSON.stringify(args))}`;

export const streamURL = (name, args) => `api/stream/${name}?${query(args)}`;

// download saves what a method sends as a file.
export function download(name, args, as) {
	save(`api/file/${name}?${query(args)}&as=${encodeURIComponent(as)}`, as);
}

export function save(href, as) {
	Object.assign(document.createElement('a'), { href, download: as }).click();
}

// body gives a piece of a captured body with its bytes undone from base64.
export async function body(seq, side, offset, limit) {
	const piece = await ask('get_capture_body', seq, side, offset, limit);
	piece.bytes = unbase64(piece.data);
	return piece;
}

export function unbase64(text) {
	const raw = atob(text);
	const bytes = new Uint8Array(raw.length);
	for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
	return bytes;
}
