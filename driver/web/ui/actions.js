// The actions for the exchange that is open.

import { decode, fetchBody } from './body.js';
import { showNote, shown } from './detail.js';
import { edit } from './editor.js';
import { chosen, cursor, mark } from './list.js';
import { makeMock } from './makemock.js';
import { $, copy, count, go, keyboard, menu, route } from './page.js';
import { status } from './proxy.js';
import { selection } from './selection.js';
import { call, download } from './source.js';

// action makes f act on the exchange that is open, else on the one with the cursor.
const action = f => async x => {
	const e = await (shown.opening || cursor() > 0 && call('get_capture', cursor()));
	if (e?.seq) await f(e, x);
};

const copyCurl = action(e => e.curl && copy(e.curl));

// The forms of a copy; the proxy stands for its own address.
const copyAs = action(e => menu($($('copy-as').checkVisibility() ? 'copy-as' : 'rows'), [['curl', 'curl'], ['HTTPie', 'httpie'], ['Python requests', 'python'], ['raw HTTP', 'raw']].flatMap(([name, form]) => {
	const as = (label, ...proxy) => [label, async () => copy(await call('copy_request', e.seq, form, ...proxy))];
	return [as(name), form !== 'raw' && status.proxy_address && as(`${name} through the proxy`, `http://${status.proxy_address}`)].filter(Boolean);
})));

const draft = action(e => makeMock(e.seq));

// resend edits a request as text: headers, an empty line, the body. A body that is no
// text is sent unchanged.
const resend = action(async e => {
	const { bytes, binary, charset } = await fetchBody(e.seq, 'request');
	const headers = e.headers_list.filter(([name]) => !/^(content-(length|encoding)|host)$/i.test(name)).map(h => `${h.join(': ')}\n`).join('');
	edit({
		id: 'resend', title: 'Resend', verb: 'Send', labels: ['Method and URL', binary ? 'Headers (the binary body stays)' : 'Headers, an empty line, body'],
		key: `${e.method} ${e.url}`, text: `${headers}\n${binary ? '' : decode(bytes, charset)}`,
		check: async (...message) => parse(...message),
		async save(...message) {
			const m = parse(...message);
			if (binary) m.body_base64 = btoa(Array.from(bytes, x => String.fromCharCode(x)).join(''));
			const { seq } = await call('resend_request', JSON.stringify(m));
			go({ seq });
		},
	});
});

// parse reads a request: its method and URL, and the headers with the body below them.
export function parse(key, text, first = /^(\S+) +(https?:\S+)$/) {
	const [, method, url] = first.exec(key) || [], [head] = `\n${text}`.split('\n\n', 1), headers = [];
	if (!method) return { error: 'expected a method and a URL' };
	for (const line of head.split('\n').filter(Boolean)) {
		const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(line) || [];
		if (!name) return { error: 'expected Name: value', line: headers.length + 1 };
		headers.push([name, value]);
	}
	return { method, url, headers, body: text.slice(head.length + 1) };
}

// annotate sends one change after the other.
let annotated = Promise.resolve();
function annotate(e, change) {
	Object.assign(e, change);
	if (e === shown.event) showNote();
	annotated = annotated.catch(() => {}).then(() => call('annotate_capture', e.seq, e.mark, e.comment));
}

$('comment').onchange = action((e, input) => annotate(e, { comment: input.target.value }));

const toggleMark = action(e => status.read_only || annotate(e, { mark: e.mark ? '' : 'red' }));

$('mark').onclick = () => menu($('mark'), ['', 'red', 'orange', 'yellow', 'green', 'blue', 'purple', 'grey'].map(m => [[mark(m), m || 'no mark'], action(e => annotate(e, { mark: m }))]));

const saveMenu = () => menu($('save'), ['har', 'flow', 'pcapng'].flatMap(f => {
	const save = (as, filter, seqs) => () => download('export_captures', [f, '', false, filter, seqs], `${as}.${f}`);
	const one = chosen.size ? [`${count(chosen.size)} selected as ${f}`, save('selection', route.f, JSON.stringify(selection(true)))]
		: [`This exchange as ${f}`, shown.event && save(shown.event.seq, '', `[${shown.event.seq}]`)];
	return [one, [`All shown as ${f}`, save('captures', route.f, '[]')]];
}));

keyboard([
	['m', 'make a mock', draft, 'make-mock'],
	['r', 'resend', resend, 'resend'],
	['c', 'copy as curl', copyCurl, 'copy-curl'],
	['C', 'copy in another form', copyAs, 'copy-as'],
	['x', 'mark', toggleMark],
	['s', 'save', saveMenu, 'save'],
], 'traffic');
