// The connection to the proxy. All streams live and die together: when one
// breaks, all are closed, and made anew once the proxy answers.

import { ask, url } from './api.js';
import { $ } from './dom.js';

const RETRY = 500, IDLE = 30000;

const streams = new Set();
let timer, whenUp, whenStatus;

export let status = {};

export function start(up, changed) {
	whenUp = up;
	whenStatus = changed;
	connect();
}

// stream follows a method; the answer closes it.
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

async function connect() {
	try {
		setStatus(await ask('status'));
	} catch (e) {
		return retry(e.status === 403 ? 'no session' : 'reconnecting');
	}
	down('live');
	stream('watch_status', [], setStatus);
	whenUp();
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

function setStatus(s) {
	status = s;
	whenStatus(s);
}

// A hidden page gives its streams back: browsers open only six per server.
document.onvisibilitychange = () => {
	if (document.hidden) timer = setTimeout(down, IDLE, 'asleep');
	else if (streams.size) clearTimeout(timer);
	else retry('reconnecting');
};
