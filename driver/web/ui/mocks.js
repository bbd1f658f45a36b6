// The table of endpoints by their files, and scenarios.

import { edit } from './editor.js';
import { $, button, count, el, fill, menu, onView, sure, undoable } from './page.js';
import { saveMock } from './savemock.js';
import { call } from './source.js';
import { inSight, keyed, then } from './tables.js';

let endpoints = [];
const folded = new Set();

async function loadMocks() {
	const changes = call('list_mock_changes');
	endpoints = await call('list_endpoints');
	draw();
	const [last] = await changes;
	$('mocks-undo').disabled = !last;
	$('mocks-undo').title = last ? `${last.what}: take it back` : 'no change to undo';
}

function draw() {
	const rows = [...Map.groupBy(endpoints, e => e.group)].flatMap(([group, list]) => [{ key: `file ${group}`, group, list }, ...folded.has(group) ? [] : list]);
	keyed('mocks', rows, 'key', cells, (e, on, key, hits, kind, source, acts) => {
		if (e.list) {
			on.colSpan = 6;
			on.firstChild.ariaExpanded = !folded.has(e.group);
			on.lastChild.textContent = `mocks: ${count(e.list.length)}, hits: ${count(e.list.reduce((n, x) => n + x.hits, 0))}`;
			return;
		}
		on.firstChild.checked = e.enabled;
		key.lastChild.textContent = e.summary;
		hits.textContent = count(e.hits);
		kind.textContent = e.kind;
		fill(source, e.source, e.over && el('small', `over ${e.over}`));
		const [change, save] = acts.querySelectorAll('button');
		change.disabled = e.scripted;
		save.disabled = e.scripted || inFile(e);
	});
}

const change = then(loadMocks);

const inFile = e => !/^(set by|set in|exporter)/.test(e.group);

// remove removes an endpoint, and asks what is meant of one that a scenario file has.
function remove(at, key, method, path) {
	const gone = () => changeMocks('remove_mock', method, path), { group } = endpoints.find(e => e.key === key);
	if (!inFile({ group })) return gone();
	menu(at, [['Until the next reset', gone], [`From ${group}, too…`, !group.endsWith('.star') && (() => gone().then(() => saveMock(key, loadMocks)))]]);
}

// changeMocks calls a method, and offers to undo what it did.
export async function changeMocks(...args) {
	undoable(await call(...args), () => change('undo_mocks'));
	loadMocks();
}

function cells(key) {
	const [, method, path] = /(\S+) (.*)/.exec(key);
	if (method === 'file') return [[button(path, () => fold(path), { className: 'fold' }), el('small')]];
	return [
		el('input', { type: 'checkbox', ariaLabel: key, onchange: e => change('enable_mock', key, e.target.checked) }), [el('code', key), el('small')], '', '', '',
		[button('Edit', () => editMock(key)), ' ', button('Save…', () => saveMock(key, loadMocks)), ' ', button('Remove', e => remove(e.target, key, method, path))],
	];
}

function fold(group) {
	if (!folded.delete(group)) folded.add(group);
	draw();
}

// editMock opens the editor with an endpoint that is there, or with a draft of an exchange,
// whose answer may need a file that has to be written.
export async function editMock(key, draft) {
	if (!draft) await loadMocks();
	const old = draft ? '' : key, text = draft ? draft.definition : endpoints.find(e => e.key === key)?.text || '';
	edit({
		id: 'mock', title: 'Mock', key, text, labels: ['Method and path', 'Definition (YAML or JSON)'], verb: 'Set', language: 'yaml', kind: 'mock',
		async check(...mock) {
			const found = await call('check_mock', ...mock, old);
			return { ...found, warnings: [...found.warnings || [], ...found.relations?.map(r => r.text) || []].filter(w => !draft?.file || !w.includes(draft.file)) };
		},
		save: (...mock) => putMock(...mock, old, draft),
	});
}

export async function putMock(key, text, old, draft) {
	if (draft?.file && text.includes(draft.file)) await call('write_captured_body', draft.seq);
	await changeMocks('put_mock', key, text, old);
}

onView(async view => {
	if (view !== 'mocks') return;
	const all = await call('list_scenarios');
	fill($('scenarios'), all.map(s => el('option', s.name)));
	$('scenarios').hidden = $('scenario-load').hidden = !all.length;
});

$('mock-add').onclick = () => editMock('GET /api/example', { definition: 'status: 200\nbody:\n  ok: true\n' });
$('mocks-reset').onclick = e => sure(e.target, 'return to the scenario as it was loaded', () => changeMocks('reset_mocks'));
$('mocks-clear').onclick = () => changeMocks('clear_mocks');
$('mocks-undo').onclick = () => change('undo_mocks');
$('scenario-load').onclick = () => changeMocks('load_mock_scenario', $('scenarios').value);

inSight('mocks', loadMocks);
