// Scripts with their last errors; starting and stopping the proxy.

import { ask, call, download, saveBytes } from './api.js';
import { $, el, fill, keyed, pairs } from './dom.js';
import { status } from './live.js';
import { then } from './notice.js';

export async function loadScripts() {
	const all = await ask('list_addon_status');
	if (status.scenario) all.unshift({ name: 'scenario', file: status.scenario, error: status.scenario_error });
	keyed('scripts', all, 'name', name => [el('code', name), '', el('pre')], (a, name, file, error) => {
		file.textContent = a.file;
		error.firstChild.textContent = a.error || 'fine';
		error.className = a.error ? 'error' : 'fine';
	});
}

// flat makes [name, value] rows of an object, in which others may be.
const flat = (o, at = '') => Object.entries(o).flatMap(([k, v]) => v?.constructor === Object ? flat(v, `${k} · `) : v ? [[(at + k).replaceAll('_', ' '), String(v)]] : []);

export function showStatus(s) {
	$('summary').textContent = s.running ? `${s.mode} · ${s.proxy_address}` : 'stopped';
	$('summary').className = s.running && s.mode !== 'record' ? '' : 'error';
	fill($('status'), pairs(flat(s)));
	$('start').disabled = s.running;
	$('stop').disabled = !s.running;
}

export async function loadControl() {
	const { value } = $('recording'), names = (await ask('list_flow_files')).map(f => f.name);
	fill($('recording'), names.map(n => el('option', n))).value = value || names.at(-1);
}

for (const verb of ['start', 'restart', 'stop']) {
	const how = () => verb === 'stop' ? [] : [$('mode').value, true, $('mode').value === 'replay' ? $('recording').value : '', +$('port').value];
	$(verb).onclick = () => then(loadControl)(verb, ...how());
}
$('recording-get').onclick = () => download('get_flow_file', [$('recording').value], $('recording').value);
$('get-ca').onclick = async () => saveBytes(await call('get_ca_cert'), 'mitmproxy-ca-cert.pem');
