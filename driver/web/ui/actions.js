// What can be done with the exchange that is open.

import { ask, call, download } from './api.js';
import { whole } from './body.js';
import { $ } from './dom.js';
import { detail } from './detail.js';
import { edit } from './editor.js';
import { newMock } from './mocks.js';
import { attempt, copy, menu, toast } from './notice.js';
import { go, route } from './route.js';

const MARKS = ['red', 'orange', 'yellow', 'green', 'blue', 'purple', 'grey'];

// Headers that describe how the body was sent, not what is in it.
const FRAMING = /^(content-length|content-encoding|transfer-encoding|connection|proxy-connection|keep-alive|host)$/i;

export const copyCurl = () => detail.event && copy(detail.event.curl, 'as curl');

export const makeMock = () => detail.event && attempt(async () => {
	const { key, definition } = await ask('capture_as_mock', detail.seq);
	newMock(key, definition);
});

// resend edits the request as what it is, a message: headers, an empty line,
// the body. A body that is no text is sent as it was.
export const resend = () => detail.event && attempt(async () => {
	const e = detail.event, b = await whole(e.seq, 'request');
	const headers = e.headers_list.filter(([n]) => !FRAMING.test(n)).map(([n, v]) => `${n}: ${v}\n`).join('');
	edit({
		id: 'resend', title: 'Resend', verb: 'Send', keyLabel: 'Method and URL', textLabel: b.binary ? `Headers (the binary body of ${b.size} bytes is sent as it was)` : 'Headers, an empty line, body',
		key: `${e.method} ${e.url}`, text: headers + (b.binary ? '' : `\n${b.text}`),
		check: async (key, text) => message(key, text),
		async save(key, text) {
			const m = message(key, text);
			if (b.binary) {
				m.body = '';
				m.body_base64 = btoa(Array.from(b.bytes, x => String.fromCharCode(x)).join(''));
			}
			const sent = await ask('resend_request', JSON.stringify(m));
			toast(`Sent: ${sent.status}`);
			go({ seq: sent.seq, tab: '' });
		},
	});
});

function message(key, text) {
	const [, method, url] = /^([\w-]+)\s+(https?:\/\/\S+)$/.exec(key) || [];
	if (!method) return { error: 'expected a method and a URL, as in GET http://host/path' };
	const [head, ...rest] = text.split('\n\n');
	const lines = (text.startsWith('\n') ? '' : head).split('\n').filter(Boolean), headers = [];
	for (const [i, line] of lines.entries()) {
		const at = line.indexOf(':');
		if (at < 1) return { error: 'expected Name: value', line: i + 1 };
		headers.push([line.slice(0, at), line.slice(at + 1).trim()]);
	}
	return { method, url, headers, body: text.startsWith('\n') ? text.slice(1) : rest.join('\n\n') };
}

export const annotate = (mark, comment) => detail.event && attempt(async () => {
	const e = detail.event;
	await call('annotate_capture', e.seq, mark, comment);
	Object.assign(e, { mark, comment });
	$('mark').className = `mark m-${mark || 'none'}`;
});

let last = MARKS[0];

// toggleMark takes a mark away, or puts the last used one.
export const toggleMark = () => detail.event && annotate(detail.event.mark ? '' : last, detail.event.comment);

export const markMenu = anchor => menu(anchor, ['', ...MARKS].map(m => [m || 'no mark', () => {
	last = m || last;
	annotate(m, detail.event.comment);
}, `mark-choice m-${m || 'none'}`]));

export function saveMenu(anchor) {
	const one = detail.event && JSON.stringify([detail.seq]);
	const file = (format, seqs, as) => () => download('export_captures', [format, '', false, seqs === '[]' ? route.f : '', seqs], as);
	const all = route.f ? 'All that match the filter' : 'All';
	menu(anchor, [
		['This exchange as HAR', one && file('har', one, `exchange-${detail.seq}.har`)],
		['This exchange as flow file', one && file('flow', one, `exchange-${detail.seq}.flow`)],
		[`${all} as HAR`, file('har', '[]', 'captures.har')],
		[`${all} as flow file`, file('flow', '[]', 'captures.flow')],
	]);
}
