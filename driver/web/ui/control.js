// Mode, port, recordings: starting and stopping the proxy.

import { ask, call, download, save } from './api.js';
import { $, button, el, fill, keyed, pairs } from './dom.js';
import { bytes, count, plural } from './format.js';
import { status } from './live.js';
import { attempt, toast } from './notice.js';

export function showStatus(s) {
	const running = s.running, c = s.captures || {}, rec = s.recording, rep = s.replay;
	$('summary').textContent = running ? `${s.mode} · ${s.proxy_address}` : 'stopped';
	$('summary').className = running ? `mode-${s.mode}` : 'stopped';
	fill($('status'), pairs([
		['Proxy', running ? `${s.mode} mode on ${s.proxy_address}` : 'stopped'],
		['Web UI', s.web_ui_address || location.origin], ['Process', String(s.pid ?? '')],
		['Mocks', count(s.mock_count || 0)], s.scenario && ['Scenario', s.scenario],
		['Captures', `${plural(c.entries || 0, 'exchange')}, ${bytes(c.bytes || 0)}${c.dropped ? `; ${count(c.dropped)} older ones dropped` : ''}`],
		(s.flow_file || rec) && ['Recording', [rec && plural(rec.flows || 0, 'flow'), s.flow_file, rec?.lost && `${rec.lost} lost`].filter(Boolean).join(' · ')],
		rec?.error && ['Recording failed', el('span.error', rec.error)],
		rep && ['Replaying', `${rep.file}: ${plural(rep.answers || 0, 'answer')}`],
		rep?.warnings?.length && ['Warnings', el('pre', [].concat(rep.warnings).join('\n'))],
	]));
	$('start').disabled = running;
	$('stop').disabled = !running;
}

// loadControl lists the recordings.
export async function loadControl() {
	const files = await ask('list_flow_files');
	fill($('flow-names'), files.map(f => el('option', { value: f.name })));
	keyed($('flow-rows'), files, f => f.name, name => el('tr', el('td', el('code', name)), el('td.num'), el('td'), el('td.acts',
		button('Download', () => download('get_flow_file', [name], name)),
		button('Replay', () => run('restart', 'replay', true, name, 0)))), (tr, f) => {
		tr.children[1].textContent = bytes(f.size_bytes);
		tr.children[2].textContent = f.modified;
	});
}

const run = (...args) => attempt(async () => toast(await call(...args)));

const form = $('control-form');
const wanted = () => [form.mode.value, true, form.mode.value === 'replay' ? form.replay.value : '', +form.port.value || 0];

export function formFromStatus() {
	if (status.running) form.mode.value = status.mode;
}

$('start').onclick = () => run('start', ...wanted());
$('restart').onclick = () => run('restart', ...wanted());
$('stop').onclick = () => run('stop');
$('get-ca').onclick = () => attempt(async () => save(URL.createObjectURL(new Blob([await call('get_ca_cert')])), 'mitmproxy-ca-cert.pem'));
