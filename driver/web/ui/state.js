// The shared state of scripts and templates: keys with JSON values.

import { edit } from './editor.js';
import { parse, pretty } from './json.js';
import { $, button, el, sure, undoable } from './page.js';
import { call } from './source.js';
import { inSight, keyed, then } from './tables.js';

async function loadState() {
	keyed('state', Object.entries(parse(await call('get_all_state'))), 0, cells, ([, v], key, value) => {
		value.firstChild.textContent = pretty(v);
	});
}

const change = then(loadState);

async function remove(key, text) {
	await change('delete_state', key);
	undoable(`Forgot ${key}.`, () => change('set_state', key, text));
}

function cells(key) {
	const value = el('pre');
	return [el('code', key), value, [button('Edit', () => editState(key, value.textContent)), ' ', button('Delete', () => remove(key, value.textContent))]];
}

const editState = (key, text) => edit({
	id: 'state', title: 'State', key, text, labels: ['Key', 'Value (JSON)'], language: 'json',
	check: (...pair) => call('check_state', ...pair),
	save: (...pair) => change('set_state', ...pair),
});

$('state-add').onclick = () => editState('', 'null');
$('state-clear').onclick = e => sure(e.target, 'forget all state', () => change('clear_state'));

inSight('state', loadState);
