// The shared state of scripts and templates: keys with JSON values.

import { edit } from './editor.js';
import { parse, pretty } from './json.js';
import { $, button, el, sure } from './page.js';
import { call } from './source.js';
import { inSight, keyed, then } from './tables.js';

async function loadState() {
	keyed('state', Object.entries(parse(await call('get_all_state'))), 0, cells, ([, v], key, value) => {
		value.firstChild.textContent = pretty(v);
	});
}

const change = then(loadState);

function cells(key) {
	const value = el('pre');
	return [el('code', key), value, [button('Edit', () => editState(key, value.textContent)), ' ', button('Delete', () => change('delete_state', key))]];
}

const editState = (key, text) => edit({
	id: 'state', title: 'State', key, text, labels: ['Key', 'Value (JSON)'],
	check: (...pair) => call('check_state', ...pair),
	save: (...pair) => change('set_state', ...pair),
});

$('state-add').onclick = () => editState('', 'null');
$('state-clear').onclick = e => sure(e.target, 'forget all state', () => change('clear_state'));

inSight('state', loadState);
