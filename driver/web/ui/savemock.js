// The dialog in which a mock is saved to a scenario file, once the change has been seen.

import { button, el, fill, later, toast } from './page.js';
import { call } from './source.js';

export function saveMock(key, saved) {
	const file = el('input', { id: 'save-file', placeholder: 'the scenario that is loaded' }), diff = el('pre', { id: 'save-diff', tabIndex: 0, role: 'region', ariaLabel: 'Change' });
	const told = el('output', { id: 'save-told' }), ok = button('Save', submit, { id: 'save-save', className: 'primary', disabled: true, title: 'Ctrl+Enter' });
	const box = el('dialog', { id: 'save-mock', ariaLabel: 'Save a mock' }, el('h2', 'Save ', el('code', key)), el('label', 'File below the directory of scenarios', file), diff, told,
		el('footer', button('Cancel', () => box.close()), ok));
	let hash;

	async function look() {
		const name = file.value.trim(), p = await call('preview_mock_save', key, name).catch(e => ({ error: e.message, diff: '' }));
		if (name !== file.value.trim()) return;
		hash = p.hash;
		fill(diff, p.diff.split('\n').map(line => el({ '+': 'ins', '-': 'del' }[line[0]] || 'span', `${line}\n`)));
		told.className = p.error ? 'error' : '';
		told.textContent = p.error || (!p.diff ? `${p.name} has it already.` : p.new ? `${p.name} is a new file.` : '');
		ok.disabled = !p.diff;
	}
	async function submit() {
		if (ok.disabled) return;
		try {
			toast(await call('save_mock', key, file.value.trim(), hash));
			box.close();
			saved();
		} catch (e) { // the file has changed: the new change is shown
			await look();
			told.className = 'error';
			told.textContent = e.message;
		}
	}
	file.oninput = later(look);
	box.onkeydown = e => {
		if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) submit();
	};
	box.onclose = () => box.remove();
	document.body.append(box);
	box.showModal();
	look();
}
