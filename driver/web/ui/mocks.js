// The table of endpoints, and scenarios.

import { ask, call, tell } from './api.js';
import { $, button, el, fill, keyed } from './dom.js';
import { edit } from './editor.js';
import { count } from './format.js';
import { attempt, sure, toast } from './notice.js';

let endpoints = [];

export async function loadMocks() {
	endpoints = await ask('list_endpoints');
	keyed('mocks', endpoints, 'key', cells, (e, on, key, hits, source, acts) => {
		on.firstChild.checked = e.enabled;
		key.lastChild.textContent = e.summary;
		hits.textContent = count(e.hits);
		source.textContent = e.source || 'set one by one';
		acts.firstChild.disabled = e.scripted;
	});
}

async function change(said) {
	toast(await said);
	await loadMocks();
}

function cells(key) {
	const at = key.indexOf(' '), toggle = e => attempt(() => change(call('enable_mock', key, e.target.checked)));
	return [
		el('input', { type: 'checkbox', ariaLabel: `enable ${key}`, onchange: toggle }), [el('code', key), el('small')], '', '',
		[button('Edit', () => editMock(key)), ' ', button('Remove', () => attempt(() => change(tell(/^Removed/, 'remove_mock', key.slice(0, at), key.slice(at + 1)))))],
	];
}

export const newMock = (key, text, replaces = '') => edit({
	id: 'mock', title: 'Mock', key, text, labels: ['Method and path', 'Definition (YAML or JSON)'],
	check: (...mock) => ask('check_mock', ...mock),
	save: (...mock) => change(tell(/^Mock set/, 'put_mock', ...mock, replaces)),
});

// editMock opens the editor with an endpoint that is there.
export const editMock = key => attempt(async () => {
	await loadMocks();
	const e = endpoints.find(x => x.key === key);
	if (!e || e.scripted) return e ? `A script defines it: ${e.source}` : 'This mock is gone.';
	newMock(key, e.text || JSON.stringify(e.definition, null, 2), key);
});

export async function loadScenarios() {
	fill($('scenarios'), (await ask('list_scenarios')).map(s => el('option', s.name)));
}

$('mock-add').onclick = () => newMock('GET /api/example', 'status: 200\nbody:\n  ok: true\n');
$('mocks-clear').onclick = e => sure(e.target, 'remove all mocks', () => change(call('clear_mocks')));
$('scenario-load').onclick = () => attempt(() => change(tell(/^Loaded/, 'load_mock_scenario', $('scenarios').value)));
