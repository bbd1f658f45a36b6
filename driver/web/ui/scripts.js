// The scripts in force: their source with the errors at their lines, the notes of requests,
// and a request that is tried against them.

import { parse } from './actions.js';
import { area } from './editor.js';
import { $, button, clock, el, fill, millis, pairs, section } from './page.js';
import { call } from './source.js';
import { inSight, keyed } from './tables.js';

let chosen, source, shown; // the file whose source is shown; its field; the text there

const link = e => e.seq > 0 && el('a', { href: `#/traffic/${e.seq}/why` }, `${clock(e.time)} · #${e.seq}`);

async function load() {
	const all = await call('list_scripts');
	keyed('scripts', all, 'file', () => [button(), '', el('pre')], (s, name, file, error) => {
		Object.assign(name.firstChild, { textContent: s.name, ariaExpanded: s.file === chosen, onclick() {
			chosen = s.file === chosen ? '' : s.file;
			load();
		} });
		file.textContent = `${s.kind} · ${s.file}`;
		error.firstChild.textContent = s.error ? `${s.failures > 1 ? `${s.failures} times, the last:\n` : ''}${s.error}` : 'fine';
		error.className = s.error ? 'error' : 'fine';
	});
	const open = all.some(s => s.file === chosen);
	$('script-open').hidden = !open;
	if (open) show(await call('show_script', chosen));
	else shown = null;
}

function show(s) {
	if (shown !== s.file + s.source) {
		shown = s.file + s.source;
		source = area({ id: 'script-text', text: s.source, language: /\.star$/.test(s.file) ? 'python' : 'yaml', label: `Source of ${s.name}`, readOnly: true });
		fill($('script-source'), source.node);
	}
	source.mark(s.errors.map(e => ({ ...e, bad: true })));
	fill($('script-errors'), s.errors.map(e => el('tr', el('td', e.line > 0 && button(`line ${e.line}`, () => source.show(e.line))), el('td.error', e.message),
		el('td', e.times > 1 && `${e.times} times, last `, link(e)))));
	fill($('script-notes'), s.notes.length > 0 && section('Notes of requests', el('table', s.notes.map(n => el('tr', el('td', link(n)), el('td', el('code', `${n.method} ${n.path}`)), el('td', el(`pre.${n.level}`, n.text)))))));
}

const value = v => v === undefined ? 'nothing' : JSON.stringify(v);

function outcome(r) {
	const near = r.nearest?.map(m => `${m.endpoint}: ${m.why.join(', ')}`).join('\n');
	return [
		pairs([
			['answered by', r.endpoint ? `${r.endpoint} · ${r.handler} · ${r.source}` : r.real_server ? 'the real server, which was not asked' : 'no endpoint'],
			near && ['nearest', near], r.endpoint && r.real_server && ['real server', 'would be asked'],
			r.status > 0 && ['status', `${r.status}`], r.fault && ['fault', r.fault], r.latency_ms > 0 && ['delay', millis(r.latency_ms)],
			...r.notes.map(n => [n.level, el(`pre.${n.level}`, n.text)]),
			...r.changes.map(c => [`state ${c.key}`, `${value(c.before)} → ${value(c.after)}`]),
			...r.webhooks.map(w => ['webhook', `${w.method} ${w.url}\n${w.body}`]), r.later > 0 && ['later', `${r.later} functions would run`],
		]),
		r.error && !r.notes.some(n => n.level === 'error') && el('pre.error', r.error.backtrace),
		r.status > 0 && section('Headers', pairs(r.headers)), r.body && section('Body', el('pre', r.body)), r.body_base64 && `${r.size} bytes that are no text.`,
	];
}

$('try-form').onsubmit = async e => {
	e.preventDefault();
	const m = parse($('try-url').value.trim(), $('try-text').value, /^(\S+) +((?:https?:\/)?\/\S*)$/);
	if (m.error) return fill($('try-outcome'), el('p.error', m.error));
	fill($('try-outcome'), outcome(await call('try_request', m.method, m.url, JSON.stringify(m.headers), m.body, $('try-server').value)));
};

inSight('scripts', load);
