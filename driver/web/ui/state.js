// The shared state of scripts and templates: keys with JSON values.

import { ask, call, tell } from './api.js';
import { $, button, el, keyed } from './dom.js';
import { edit } from './editor.js';
import { parse, pretty } from './json.js';
import { attempt, sure, toast } from './notice.js';

export async function loadState() {
	const all = Object.entries(parse(await call('get_all_state')));
	$('state-none').hidden = all.length > 0;
	keyed($('state-rows'), all, ([k]) => k, line, (tr, [, v]) => {
		tr.children[1].firstChild.textContent = pretty(v);
	});
}

const line = key => el('tr', el('td', el('code', key)), el('td', el('pre')), el('td.acts',
	button('Edit', e => editor('Edit state', key, e.target.closest('tr').querySelector('pre').textContent)),
	button('Delete', () => change('delete_state', key))));

const change = (...args) => attempt(async () => {
	toast(await call(...args));
	await loadState();
});

function editor(title, key, text) {
	edit({
		id: 'state', title, key, text, verb: 'Save', keyLabel: 'Key', textLabel: 'Value (JSON)',
		check: async (_, t) => fault(t),
		async save(k, t) {
			toast(await tell(/^State set/, 'set_state', k, t));
			await loadState();
		},
	});
}

// fault says where text is no JSON.
function fault(text) {
	try {
		JSON.parse(text);
		return {};
	} catch (e) {
		const at = /position (\d+)/.exec(e.message), before = text.slice(0, at ? +at[1] : text.length).split('\n');
		return { error: e.message.replace(/ (in JSON )?at position.*/, ''), line: before.length, column: before.at(-1).length + 1 };
	}
}

$('state-add').onclick = () => editor('Add state', '', 'null');
$('state-clear').onclick = async () => {
	if (await sure('Forget all keys of the state?', 'Forget all')) change('clear_state');
};
