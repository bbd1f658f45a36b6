// What can be done with the exchange that is open.

import { ask, call, download } from './api.js';
import { decode, fetchBody } from './body.js';
import { event, showNote } from './detail.js';
import { $ } from './dom.js';
import { edit } from './editor.js';
import { mark } from './list.js';
import { newMock } from './mocks.js';
import { attempt, copy, menu } from './notice.js';
import { go, route } from './route.js';

// Headers that tell how a body was sent, not what is in it.
const FRAMING = /^(content-length|content-encoding|transfer-encoding|(proxy-)?connection|host)$/i;

// action makes f do nothing while no exchange is open.
const action = f => () => event && attempt(() => f(event));

export const copyCurl = action(e => copy(e.curl));

export const makeMock = action(async e => {
	const { key, definition } = await ask('capture_as_mock', e.seq);
	newMock(key, definition);
});

// resend edits a request as the message it is: headers, an empty line, the
// body. A body that is no text is sent as it was.
export const resend = action(async e => {
	const { bytes, binary } = await fetchBody(e.seq, 'request'), headers = e.headers_list.filter(([n]) => !FRAMING.test(n));
	edit({
		id: 'resend', title: 'Resend', verb: 'Send', labels: ['Method and URL', binary ? 'Headers (the binary body stays)' : 'Headers, an empty line, body'],
		key: `${e.method} ${e.url}`, text: `${headers.map(h => `${h.join(': ')}\n`).join('')}\n${binary ? '' : decode(bytes)}`,
		check: async (...message) => parse(...message),
		async save(...message) {
			const m = parse(...message);
			if (binary) m.body_base64 = btoa([...bytes].map(x => String.fromCharCode(x)).join(''));
			go(await ask('resend_request', JSON.stringify(m)));
		},
	});
});

function parse(key, text) {
	const [, method, url] = /^(\S+) +(https?:\S+)$/.exec(key) || [], [head] = `\n${text}`.split('\n\n', 1), headers = [];
	if (!method) return { error: 'expected a method and a URL' };
	for (const line of head.split('\n').slice(1)) {
		const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(line) || [];
		if (!name) return { error: 'expected Name: value', line: headers.length + 1 };
		headers.push([name, value]);
	}
	return { method, url, headers, body: text.slice(head.length + 1) };
}

async function annotate(e, change) {
	Object.assign(e, change);
	await call('annotate_capture', e.seq, e.mark || '', e.comment || '');
	if (e === event) showNote();
}

export const comment = e => action(x => annotate(x, { comment: e.target.value }))();

let last = 'red';

// toggleMark takes a mark away, or puts the one used last.
export const toggleMark = action(e => annotate(e, { mark: e.mark ? '' : last }));

export const markMenu = () => menu($('mark'), ['', 'red', 'orange', 'yellow', 'green', 'blue', 'purple', 'grey'].map(m => [[mark(m), m || 'no mark'], action(e => {
	last = m || last;
	return annotate(e, { mark: m });
})]));

export function saveMenu() {
	const file = (format, as, filter, seqs) => () => download('export_captures', [format, '', false, filter, JSON.stringify(seqs)], as);
	menu($('save'), ['har', 'flow'].flatMap(f => [
		[`This exchange as ${f}`, event && file(f, `${event.seq}.${f}`, '', [event.seq])],
		[`All shown as ${f}`, file(f, `captures.${f}`, route.f, [])],
	]));
}
