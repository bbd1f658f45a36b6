// The dialog in which a text is edited. The text is checked while it is typed.

import { button, el, later } from './page.js';

// check gives {error, line, column, warnings}; save may fail.
export function edit({ id, title, labels, key = '', text, verb = 'Save', check, save }) {
	const name = el('input', { id: `${id}-key`, value: key }), area = el('textarea', { id: `${id}-text`, value: text, spellcheck: false, wrap: 'off' });
	const gutter = el('pre.gutter'), error = el('output', { id: `${id}-error` }), ok = button(verb, submit, { id: `${id}-save`, className: 'primary', title: 'Ctrl+Enter' });
	const box = el('dialog', { id: `${id}-editor` }, el('h2', title), el('label', labels[0], name), el('label', labels[1], el('div.area', gutter, area)),
		error, el('footer', button('Cancel', () => box.close()), ok));
	const now = () => [name.value.trim(), area.value];

	function show({ error: wrong, line, column, warnings }) {
		error.className = wrong ? 'error' : 'warning';
		error.textContent = wrong ? (line ? `${line}:${column || 1}: ` : '') + wrong : warnings?.join('\n');
		gutter.textContent = area.value.split('\n').map((_, i) => i + 1 === line ? '▶' : i + 1).join('\n');
		area.onscroll();
		return ok.disabled = !!wrong;
	}
	async function examine() {
		const before = now(), found = await check(...before).catch(e => ({ error: e.message }));
		return String(before) !== String(now()) || show(found);
	}
	async function submit() {
		if (await examine()) return;
		try {
			await save(...now());
			box.close();
		} catch (e) {
			show({ error: e.message });
		}
	}
	area.onscroll = () => { gutter.scrollTop = area.scrollTop; };
	box.oninput = later(examine);
	box.onkeydown = e => {
		if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) submit();
	};
	box.onclose = () => box.remove();
	document.body.append(box);
	box.showModal();
	(key ? area : name).focus();
	area.setSelectionRange(0, 0);
	examine();
}
