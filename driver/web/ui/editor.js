// The dialog in which something is edited as text: one line that names it, and
// the text itself. It is checked while one types.

import { button, el, fill, later } from './dom.js';

// edit opens the dialog. check gives {ok, error, line, column, warnings}, save
// does what is to be done, and may fail.
export function edit({ id, title, keyLabel, textLabel, key = '', text = '', verb, check, save }) {
	const name = el('input', { id: `${id}-key`, value: key, spellcheck: false, autocomplete: 'off', required: true });
	const area = el('textarea', { id: `${id}-text`, value: text, spellcheck: false, wrap: 'off' });
	const gutter = el('pre.gutter', { 'aria-hidden': 'true' });
	const error = el('output', { id: `${id}-error`, role: 'status' });
	const ok = button(verb, submit, { id: `${id}-save`, className: 'primary', title: 'Ctrl+Enter' });
	const box = el('dialog', { id: `${id}-editor`, 'aria-label': title },
		el('h2', title), el('label', keyLabel, name), el('label', textLabel, el('div.area', gutter, area)), error,
		el('footer', el('small', 'Tab indents, Shift+Tab leaves the text, Ctrl+Enter saves.'), button('Cancel', () => box.close()), ok));

	function tell({ error: wrong, line, column, warnings }) {
		error.className = wrong ? 'error' : 'warning';
		error.textContent = wrong ? (line && !/^line /.test(wrong) ? `line ${line}${column ? `, column ${column}` : ''}: ` : '') + wrong : (warnings || []).join('\n');
		number(wrong && line);
	}
	function number(wrong) {
		fill(gutter, area.value.split('\n').map((_, i) => el(i + 1 === wrong ? 'b' : 'span', `${i + 1}\n`)));
		gutter.scrollTop = area.scrollTop;
	}
	async function examine() {
		const [k, t] = [name.value.trim(), area.value];
		const verdict = k ? await check(k, t).catch(e => ({ error: e.message })) : { error: `${keyLabel} is missing` };
		if (k === name.value.trim() && t === area.value) {
			tell(verdict);
			ok.disabled = !!verdict.error;
		}
		return !verdict.error;
	}
	async function submit() {
		if (!await examine()) return;
		ok.disabled = true;
		try {
			await save(name.value.trim(), area.value);
			box.close();
		} catch (e) {
			tell({ error: e.message });
			ok.disabled = false;
		}
	}
	box.addEventListener('input', later(200, examine));
	area.addEventListener('input', () => number());
	area.addEventListener('scroll', () => { gutter.scrollTop = area.scrollTop; });
	area.addEventListener('keydown', e => {
		const indent = /[ ]*$/.exec(area.value.slice(0, area.selectionStart).split('\n').at(-1).replace(/\S.*/, ''))[0];
		if (e.shiftKey || e.ctrlKey || !['Tab', 'Enter'].includes(e.key)) return;
		e.preventDefault();
		document.execCommand('insertText', false, e.key === 'Tab' ? '  ' : `\n${indent}`); // the way that Undo knows
	});
	box.addEventListener('keydown', e => {
		if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) submit();
	});
	box.addEventListener('cancel', e => {
		if (area.value !== text && !confirm('Drop the changes?')) e.preventDefault();
	});
	box.addEventListener('close', () => box.remove());
	document.body.append(box);
	box.showModal();
	(key ? area : name).focus();
	area.setSelectionRange(0, 0);
	number();
	examine();
}
