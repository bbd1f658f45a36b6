// The dialog in which an exchange becomes a mock. Nothing is in force, and nothing is
// written, before it is saved.

import { editMock, putMock } from './mocks.js';
import { button, el, fill } from './page.js';
import { call } from './source.js';

export async function makeMock(seq) {
	const choices = { headers: [] }, key = el('code'), text = el('pre', { tabIndex: 0, role: 'region', ariaLabel: 'Definition' }), told = el('output.warning', { id: 'make-told' });
	let saving, draft = await call('capture_as_mock', seq);
	const { offers } = draft;
	const choice = (label, choose) => el('label.choice', el('input', { type: 'checkbox', onchange(e) {
		choose(e.target.checked);
		look();
	} }), label);
	const option = (name, ...label) => choice(label, on => { choices[name] = on; });
	const header = name => choice(el('code', name), on => { choices.headers = on ? [...choices.headers, name] : choices.headers.filter(h => h !== name); });
	const box = el('dialog', { id: 'make', ariaLabel: 'Make a mock' }, el('h2', 'Make a mock'),
		option('any_host', 'for every host, not only ', el('code', offers.host)),
		offers.path && option('placeholders', 'for every ', el('code', offers.path)),
		offers.query && option('any_query', 'with any query'),
		offers.body && option('body', 'only with this body ', el('small', offers.body)),
		offers.headers.length && el('details', el('summary', 'only with these headers'), offers.headers.map(header)),
		el('p', key), text, told,
		el('footer', button('Cancel', () => box.close()), button('Edit…', change), button('Set', submit, { id: 'make-save', className: 'primary', title: 'Ctrl+Enter' })));

	function show() {
		key.textContent = draft.key;
		text.textContent = draft.definition;
		told.textContent = [...draft.relations.map(r => r.text), draft.file && `The body goes into the file ${draft.file}.`].filter(Boolean).join('\n');
	}
	async function look() {
		const asked = JSON.stringify(choices), found = await call('capture_as_mock', seq, asked);
		if (asked !== JSON.stringify(choices)) return;
		draft = found;
		show();
	}
	function change() {
		box.close();
		editMock(draft.key, { ...draft, seq });
	}
	async function submit() {
		if (saving) return;
		saving = true;
		try {
			await look();
			await putMock(draft.key, draft.definition, '', { ...draft, seq });
			box.close();
		} catch (e) {
			saving = false;
			told.textContent = e.message;
		}
	}
	box.onkeydown = e => {
		if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) submit();
	};
	box.onclose = () => box.remove();
	document.body.append(box);
	show();
	box.showModal();
}
