// Starting and stopping the proxy.

import { $, el, fill, onView, pairs, saveBytes, section, sure } from './page.js';
import { onStatus, status } from './proxy.js';
import { call, download } from './source.js';
import { inSight, then } from './tables.js';

// flat returns the values of an object and of the objects in it as [name, value].
const flat = (o, at = '') => Object.entries(o).flatMap(([k, v]) => v?.constructor === Object ? flat(v, `${k} · `) : v && text(v) ? [[(at + k).replaceAll('_', ' '), text(v)]] : []);

const text = v => [v].flat().map(x => typeof x === 'object' ? JSON.stringify(x) : x).join('\n');

onStatus(s => {
	fill($('status'), s.read_only ? [['Session', s.session], ['Bundle', s.manifest], ['Status at the end', s.status]].map(([title, o]) => o && section(title, pairs(flat(o)))) : pairs(flat(s)));
	$('start').disabled = s.running;
	$('stop').disabled = !s.running;
});

onView(() => status.running && ($('mode').value = status.mode));

const FREE = 'unlimited';

async function loadControl() {
	const { value } = $('recording'), names = (await call('list_flow_files')).map(f => f.name);
	fill($('recording'), names.map(n => el('option', n))).value = value || names.at(-1);
	const now = status.network.find(r => !r.host && !r.client)?.title || FREE;
	const profiles = (await call('list_network_profiles')).map(p => p.profile);
	fill($('network'), [...new Set([FREE, ...profiles, now])].map(n => el('option', n))).value = now;
}

$('network').onchange = ({ target: { value } }) => then(loadControl)(...value === FREE ? ['clear_network', '*'] : ['set_network', value]);

for (const verb of ['start', 'restart', 'stop']) {
	const how = () => verb === 'stop' ? [] : [$('mode').value, true, $('mode').value === 'replay' ? $('recording').value : '', +$('port').value];
	const act = () => then(loadControl)(verb, ...how());
	$(verb).onclick = () => verb === 'stop' ? sure($(verb), 'stop the proxy: devices lose their way', act) : act();
}
$('recording-get').onclick = () => download('get_flow_file', [$('recording').value], $('recording').value);
$('get-ca').onclick = async () => saveBytes(await call('get_ca_cert'), 'mitmproxy-ca-cert.pem');

inSight('control', async () => status.read_only || loadControl());
