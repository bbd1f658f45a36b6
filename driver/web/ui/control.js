// Mode, port, recordings: starting and stopping the proxy.

import { ask, call, download, saveBytes } from './api.js';
import { $, button, el, fill, keyed, pairs } from './dom.js';
import { bytes, count } from './format.js';
import { status } from './live.js';
import { attempt } from './notice.js';

export function showStatus(s) {
	const { captures: c = {}, recording: rec, replay } = s, proxy = s.running ? `${s.mode} · ${s.proxy_address}` : 'stopped';
	$('summary').textContent = proxy;
	$('summary').className = s.running && s.mode !== 'record' ? '' : 'error';
	fill($('status'), pairs([
		['Proxy', proxy], ['Process', s.pid], ['Mocks', count(s.mock_count)], ['Scenario', s.scenario],
		['Captures', `${count(c.entries)}, ${bytes(c.bytes || 0)}; ${count(c.dropped)} older ones dropped`],
		rec && ['Recording', [`${count(rec.flows)} flows in ${s.flow_file}, ${count(rec.lost)} lost `, el('b.error', rec.error)]],
		replay && ['Replaying', `${count(replay.answers)} answers of ${replay.file}\n${[replay.warnings].flat().join('\n')}`],
	]));
	$('start').disabled = s.running;
	$('stop').disabled = !s.running;
}

// loadControl lists the recordings.
export async function loadControl() {
	const files = await ask('list_flow_files'), chosen = $('recording').value;
	fill($('recording'), files.map(f => el('option', f.name))).value = chosen || files.at(-1)?.name;
	keyed('flow', files, 'name', name => [el('code', name), '', '', button('Download', () => download('get_flow_file', [name], name))], (f, name, size, time) => {
		size.textContent = bytes(f.size_bytes);
		time.textContent = f.modified;
	});
}

export function resetForm() {
	if (status.running) $('mode').value = status.mode;
}

for (const verb of ['start', 'restart']) {
	$(verb).onclick = () => attempt(() => call(verb, $('mode').value, true, $('mode').value === 'replay' ? $('recording').value : '', +$('port').value));
}
$('stop').onclick = () => attempt(() => call('stop'));
$('get-ca').onclick = () => attempt(async () => saveBytes(await call('get_ca_cert'), 'mitmproxy-ca-cert.pem'));
