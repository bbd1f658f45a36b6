// The table of endpoints, and scenarios.

import { edit } from './editor.js';
import { $, button, count, el, fill, onView, sure } from './page.js';
import { call } from './source.js';
import { inSight, keyed, then } from './tables.js';

let endpoints = [];

async function loadMocks() {
	endpoints = await call('list_endpoints');
	keyed('mocks', endpoints, 'key', cells, (e, on, key, hits, source, acts) => {
		on.firstChild.checked = e.enabled;
		key.lastChild.textContent = e.summary;
		hits.textContent = count(e.hits);
		source.textContent = e.source;
		acts.firstChild.disabled = e.scripted;
	});
}

const change = then(loadMocks);

function cells(key) {
	const [, method, path] = /(\S+) (.*)/.exec(key);
	return [
		el('input', { type: 'checkbox', ariaLabel: key, onchange: e => change('enable_mock', key, e.target.checked) }), [el('code', key), el('small')], '', '',
		[button('Edit', () => editMock(key)), ' ', button('Remove', () => change('remove_mock', method, path))],
	];
}

// editMock opens the editor with a text, or that of an endpoint that is there.
export async function editMock(key, text) {
	if (!text) await loadMocks();
	edit({
		id: 'mock', title: 'Mock', key, text: text || endpoints.find(e => e.key === key)?.text || '', labels: ['Method and path', 'Definition (YAML or JSON)'],
		check: (...mock) => call('check_mock', ...mock),
		save: (...mock) => change('put_mock', ...mock, text ? '' : key),
	});
}

onView(async view => view === 'mocks' && fill($('scenarios'), (await call('list_scenarios')).map(s => el('option', s.name))));

$('mock-add').onclick = () => editMock('GET /api/example', 'status: 200\nbody:\n  ok: true\n');
$('mocks-reset').onclick = e => sure(e.target, 'return to the scenario as it was loaded', () => change('reset_mocks'));
$('mocks-clear').onclick = e => sure(e.target, 'remove all mocks', () => change('clear_mocks'));
$('scenario-load').onclick = () => change('load_mock_scenario', $('scenarios').value);

inSight('mocks', loadMocks);
