// Where the page gets its data: the methods and streams of a proxy, or of a file that is
// served. A report has record.js in the place of this module.

import { $, save, toast } from './page.js';

const RETRY = 500, IDLE = 30000;

// opened says that this is the page of a file that was opened beside the traffic of a proxy.
// It does not change, and leaves the few connections that a browser makes to a server to others.
export const opened = location.pathname.includes('/opened/');

// When one stream breaks, all are closed. They are opened again once the proxy answers.
const streams = new Set();
let timer, tell, up;

export const call = (name, ...args) => post(`call/${name}`, 'json', JSON.stringify(args));

// upload opens a file beside the traffic of the proxy.
export const upload = file => post(`open?as=${encodeURIComponent(file.name)}`, 'octet-stream', file);

async function post(path, type, body) {
	const res = await fetch(`api/${path}`, { method: 'POST', headers: { 'Content-Type': `application/${type}` }, body })
		.catch(() => { throw new Error('The proxy does not answer.'); });
	const { result, error } = await res.json().catch(() => ({}));
	if (!res.ok) throw Object.assign(new Error(error || `HTTP status ${res.status}`), { status: res.status });
	return result;
}

const url = (kind, name, args) => `api/${kind}/${name}?args=${encodeURIComponent(JSON.stringify(args))}`;

export const download = (name, args, as) => save(`${url('file', name, args)}&as=${encodeURIComponent(as)}`, as);

// stream follows a method. It returns a function that ends this.
export function stream(name, args, onItem) {
	const source = new EventSource(url('stream', name, args));
	source.onmessage = e => onItem(JSON.parse(e.data));
	source.onerror = () => retry('reconnecting');
	streams.add(source);
	return () => {
		source.close();
		streams.delete(source);
	};
}

// start connects. It calls setStatus with the status and each change of it, and begin for
// each new connection.
export function start(setStatus, begin) {
	tell = setStatus;
	up = begin;
	connect();
}

async function connect() {
	try {
		tell(await call('status'));
	} catch (e) {
		if (e.status === 404) return toast(e.message, true); // a file that was closed
		return retry(e.status === 403 ? 'no session' : 'reconnecting');
	}
	down('live');
	if (!opened) stream('watch_status', [], tell);
	up();
}

function retry(state) {
	down(state);
	timer = setTimeout(connect, RETRY);
}

function down(state) {
	clearTimeout(timer);
	for (const s of streams) s.close();
	streams.clear();
	$('connection').textContent = $('connection').className = state;
	$('no-session').hidden = state !== 'no session';
}

// A hidden page closes its streams, because browsers open only six connections to a
// server.
document.onvisibilitychange = () => {
	if (document.hidden) timer = setTimeout(down, IDLE, 'asleep');
	else if (streams.size) clearTimeout(timer);
	else retry('reconnecting');
};
