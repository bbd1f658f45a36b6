// Addon scripts and the scenario, with what went wrong in them last.

import { ask } from './api.js';
import { el, keyed } from './dom.js';
import { status } from './live.js';

export async function loadScripts() {
	const all = await ask('list_addon_status');
	if (status.scenario) all.unshift({ name: 'scenario', file: status.scenario, error: status.scenario_error });
	keyed('scripts', all, 'name', name => [el('code', name), '', el('pre')], (a, name, file, error) => {
		file.textContent = a.file;
		error.firstChild.textContent = a.error || 'fine';
		error.className = a.error ? 'error' : 'fine';
	});
}
