// The connection to the proxy. All streams live and die together: when one
// breaks, all are closed, and made anew once the proxy answers.

import { ask, streamURL } from './api.js';
import { $ } from './dom.js';

const RETRY = [300, 1000, 2000, 4000];
const IDLE = 30000; // a hidden page gives its streams back: browsers open six per server at most

const streams = new Set();
const whenUp = [];
const whenStatus = [];
let failures = 0;
let timer = 0;
let idle = 0;

export let status = {};

// up registers what is to be done whenever the connection stands, onStatus
// what whenever the proxy's status is told.
export const up = f => whenUp.push(f);
export const onStatus = f => whenStatus.push(f);

// stream follows a method; the answer closes it.
export function stream(name, args, onItem) {
	const source = new EventSource(streamURL(name, args));
	source.onopen = () => { failures = 0; };
	source.onmessage = e => {
		const item = JSON.parse(e.data);
		onItem(typeof item === 'string' ? JSON.parse(item) : item);
	};
	source.onerror = lost;
	streams.add(source);
	return () => {
		source.close();
		streams.delete(source);
	};
}

export async function connect() {
	clearTimeout(timer);
	timer = 0;
	try {
		setStatus(await ask('status'));
	} catch (e) {
		retry(e.status === 403 ? 'no session' : 'reconnecting');
		return;
	}
	show('live');
	closeAll();
	stream('watch_status', [], setStatus);
	for (const f of whenUp) f();
}

function lost() {
	if (!timer) retry('reconnecting');
}

function retry(state) {
	closeAll();
	show(state);
	timer = setTimeout(connect, RETRY[Math.min(failures++, RETRY.length - 1)]);
}

function closeAll() {
	for (const s of streams) s.close();
	streams.clear();
}

function setStatus(s) {
	status = s;
	for (const f of whenStatus) f(s);
}

function show(state) {
	const box = $('connection');
	box.textContent = state;
	box.className = state.replace(' ', '-');
	$('no-session').hidden = state !== 'no session';
}

document.addEventListener('visibilitychange', () => {
	clearTimeout(idle);
	if (document.hidden) {
		idle = setTimeout(() => {
			clearTimeout(timer);
			timer = 0;
			closeAll();
			show('paused');
		}, IDLE);
	} else if (!timer && !streams.size) {
		connect();
	}
});
