// Texts that are edited: the field for one, and the dialog around it.

import { button, el, fill, later } from './page.js';
import { call } from './source.js';

// area makes a field for a text. language is yaml, json or python. kind names the texts for
// which the proxy knows words; Ctrl+Space offers them. Where the build has CodeMirror, that
// takes the place of the field, and keeps its value.
export function area({ id, text = '', language, kind, label, readOnly }) {
	const field = el('textarea', { id, value: text, spellcheck: false, wrap: 'off', readOnly, ariaLabel: label });
	const gutter = el('pre.gutter'), offers = el('select', { size: 9, hidden: true, ariaLabel: 'Suggestions' }), meaning = el('small', { id: `${id}-hint` });
	const host = el('div.grow', { hidden: true }), box = el('div.area', gutter, field, offers, host);
	const hint = kind && ((...at) => call('complete_text', kind, ...at));
	let marks = [], rich, found;

	function number() {
		gutter.textContent = field.value.split('\n').map((_, i) => marks.some(m => m.line === i + 1) ? '▶' : i + 1).join('\n');
		gutter.scrollTop = field.scrollTop;
	}
	function ask() {
		const lines = field.value.slice(0, field.selectionStart).split('\n');
		return hint(field.value, lines.length, [...lines.at(-1)].length + 1);
	}
	async function offer() {
		found = await ask();
		fill(offers, found.items.map(i => el('option', { title: i.doc }, i.label, i.detail && ` ${i.detail}`)));
		if (offers.hidden = !found.items.length) return;
		offers.selectedIndex = 0;
		offers.focus();
		offers.onchange();
	}
	function insert() {
		const at = field.selectionStart, begin = field.value.lastIndexOf('\n', at - 1) + found.from;
		leave();
		field.setRangeText(found.items[offers.selectedIndex].insert, begin, at, 'end');
		field.dispatchEvent(new Event('input', { bubbles: true }));
	}
	function leave() {
		offers.hidden = true;
		field.focus();
	}
	const explain = later(async () => { meaning.textContent = (await ask()).doc; });

	offers.onchange = () => { meaning.textContent = found.items[offers.selectedIndex].doc; };
	offers.onblur = () => { offers.hidden = true; };
	offers.ondblclick = insert;
	offers.onkeydown = e => {
		if (e.key === 'Enter') insert();
		else if (e.key === 'Escape') leave();
		else return;
		e.preventDefault();
	};
	field.onscroll = number;
	field.oninput = () => {
		number();
		rich?.set(field.value);
	};
	if (hint) {
		field.onkeyup = field.onclick = explain;
		field.onkeydown = e => {
			if (e.key !== ' ' || !e.ctrlKey) return;
			e.preventDefault();
			offer();
		};
	}
	number();
	const load = async () => {
		const { mount } = await import('./codemirror.js');
		if (!mount || !box.isConnected) return;
		const had = document.activeElement === field;
		rich = mount(host, { text: field.value, language, readOnly, label, hint, changed(value) {
			if (value === field.value) return;
			field.value = value;
			field.dispatchEvent(new Event('input', { bubbles: true }));
		} });
		field.hidden = gutter.hidden = true;
		host.hidden = false;
		rich.mark(marks);
		if (had) rich.focus();
	};
	setTimeout(() => load().catch(() => {}));
	return {
		node: [box, hint && meaning],
		get value() { return field.value; },
		// mark shows [{line, column, message, bad}].
		mark(list) {
			marks = list;
			number();
			rich?.mark(list);
		},
		// show brings a line into sight.
		show(line) {
			field.scrollTop = (line - 4) * 18;
			rich?.show(line);
		},
		focus() {
			if (rich) return rich.focus();
			field.focus();
			field.setSelectionRange(0, 0);
		},
	};
}

// placed makes a mark of a warning, which begins with its place.
function placed(text) {
	const [, line, column, message] = /^(\d+):(\d+): ([^]*)/.exec(text) || [0, 0, 0, text];
	return { line: +line, column: +column, message };
}

// edit opens the dialog. check gives {error, line, column, warnings}; save may fail.
export function edit({ id, title, labels, key = '', text, verb = 'Save', language, kind, check, save }) {
	const name = el('input', { id: `${id}-key`, value: key }), body = area({ id: `${id}-text`, text, language, kind, label: labels[1] });
	const error = el('output', { id: `${id}-error` }), ok = button(verb, submit, { id: `${id}-save`, className: 'primary', title: 'Ctrl+Enter' });
	const foot = el('footer', kind && el('small.grow', 'Ctrl+Space: suggestions. Tab leaves the text.'), button('Cancel', leave), ok);
	const asked = el('footer', { hidden: true, id: `${id}-unsaved`, role: 'alert' }, el('span.grow', 'The text is not saved.'), button('Discard it', () => box.close()), button('Keep editing', keep));
	const box = el('dialog', { id: `${id}-editor`, ariaLabel: title }, el('h2', title), el('label', labels[0], name), el('p', labels[1]), body.node, error, foot, asked);
	const now = () => [name.value.trim(), body.value];
	const clean = String(now()), changed = () => String(now()) !== clean;

	function show({ error: wrong, line = 0, column, warnings = [] }) {
		const marks = wrong ? [{ line, column: column || 1, message: wrong, bad: true }] : warnings.map(placed);
		error.className = wrong ? 'error' : 'warning';
		error.textContent = marks.map(m => (m.line ? `${m.line}:${m.column}: ` : '') + m.message).join('\n');
		body.mark(marks);
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
	// leave closes the dialog, or asks when that would lose a text.
	function leave() {
		if (!changed()) return box.close();
		foot.hidden = true;
		asked.hidden = false;
		asked.lastChild.focus();
	}
	function keep() {
		foot.hidden = false;
		asked.hidden = true;
		body.focus();
	}
	const stop = e => changed() && e.preventDefault();
	addEventListener('beforeunload', stop);
	box.oninput = later(examine);
	box.oncancel = e => {
		e.preventDefault();
		leave();
	};
	box.onkeydown = e => {
		if (e.defaultPrevented) return;
		if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) submit();
		else if (e.key === 'Escape') {
			e.preventDefault();
			if (asked.hidden) leave();
			else keep();
		}
	};
	box.onclose = () => {
		removeEventListener('beforeunload', stop);
		box.remove();
	};
	document.body.append(box);
	box.showModal();
	if (key) body.focus();
	else name.focus();
	examine();
}
