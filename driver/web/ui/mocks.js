// The table of endpoints, and scenarios.

import { ask, call, tell } from './api.js';
import { $, button, el, fill, keyed } from './dom.js';
import { edit } from './editor.js';
import { count } from './format.js';
import { attempt, sure, toast } from './notice.js';

let endpoints = [];

export async function loadMocks() {
	endpoints = await ask('list_endpoints');
	$('mocks-none').hidden = endpoints.length > 0;
	keyed($('mocks-rows'), endpoints, e => e.key, line, (tr, e) => {
		const [on, key, hits, place, acts] = tr.children;
		on.firstChild.checked = e.enabled;
		tr.classList.toggle('off', !e.enabled);
		key.lastChild.textContent = e.summary || '';
		hits.textContent = count(e.hits);
		place.textContent = e.source || 'set by a test or here';
		acts.firstChild.disabled = e.scripted;
		acts.firstChild.title = e.scripted ? 'Defined by a script: edit the file' : '';
	});
}

function line(key) {
	const change = (f, ...args) => attempt(async () => {
		toast(await f(...args));
		await loadMocks();
	});
	return el('tr',
		el('td', el('input', { type: 'checkbox', 'aria-label': `enable ${key}`, onchange: e => change(call, 'enable_mock', key, e.target.checked) })),
		el('td', el('code', key), el('small')), el('td.num'), el('td.place'),
		el('td.acts', button('Edit', () => editMock(key)), button('Remove', () => {
			const at = key.indexOf(' ');
			change(tell, /^Removed|^Mock removed/, 'remove_mock', key.slice(0, at), key.slice(at + 1));
		})));
}

export const newMock = (key, text) => editor('New mock', key, text, '');

// editMock opens the editor with an endpoint that is there.
export const editMock = key => attempt(async () => {
	await loadMocks();
	const e = endpoints.find(x => x.key === key);
	if (!e || e.scripted) throw new Error(e ? `${key} is defined by a script, ${e.source}` : `There is no mock ${key} any more.`);
	editor('Edit mock', key, e.text ?? JSON.stringify(e.definition, null, 2), key);
});

function editor(title, key, text, replaces) {
	edit({
		id: 'mock', title, key, text, verb: 'Save', keyLabel: 'Key', textLabel: 'Definition (YAML or JSON)',
		check: (k, t) => ask('check_mock', k, t),
		async save(k, t) {
			toast(await tell(/^Mock set/, 'put_mock', k, t, replaces));
			await loadMocks();
		},
	});
}

export async function loadScenarios() {
	fill($('scenarios'), (await ask('list_scenarios')).map(s => el('option', { value: s.name }, s.kind === 'dir' ? `${s.name}/` : s.name)));
}

$('mock-add').onclick = () => newMock('GET /api/example', 'status: 200\nbody:\n  ok: true\n');
$('mocks-clear').onclick = async () => {
	if (await sure(`Remove all ${endpoints.length} mocks?`, 'Remove all')) attempt(async () => {
		toast(await call('clear_mocks'));
		await loadMocks();
	});
};
$('scenario-load').onclick = () => attempt(async () => {
	toast(await tell(/^Loaded/, 'load_mock_scenario', $('scenarios').value));
	await loadMocks();
});
