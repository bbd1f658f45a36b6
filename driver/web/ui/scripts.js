// Addon scripts and the scenario, with what went wrong in them last.

import { ask } from './api.js';
import { $, el, keyed } from './dom.js';
import { status } from './live.js';

export async function loadScripts() {
	const addons = await ask('list_addon_status');
	const all = [status.scenario && { name: 'scenario', file: status.scenario, error: status.scenario_error }, ...addons].filter(Boolean);
	$('scripts-none').hidden = all.length > 0;
	keyed($('scripts-rows'), all, a => a.name, () => el('tr', el('td', el('code')), el('td.place'), el('td', el('pre'))), (tr, a) => {
		const [name, file, error] = tr.children, pre = error.firstChild;
		name.firstChild.textContent = a.name;
		file.textContent = a.file;
		pre.textContent = a.error || 'works';
		pre.className = a.error ? 'error' : 'fine';
	});
}
