// Filter expressions are completed while they are typed, and kept under names.

import { $, button, el, fill, go, keyboard, popup, route, store, undoable } from './page.js';
import { journal, status } from './proxy.js';
import { call } from './source.js';

const MOST = 12; // options shown at once

let saved = JSON.parse(store.filters || '{}'); // expressions by name
const operators = call('list_filter_operators');

function keep(filters) {
	saved = filters;
	store.filters = JSON.stringify(saved);
}

// What an operator is compared with, as far as the list has it.
const VALUES = {
	d: r => r.host, m: r => r.method, c: r => r.status, t: r => r.type, ts: r => r.type, mock: r => r.endpoint, comment: r => r.comment, marker: r => r.mark,
};

function valuesOf(op) {
	if (op === 'src') return Object.values(status.devices || {});
	return VALUES[op] ? [...new Set(journal.rows.slice(-5000).map(VALUES[op]))].filter(Boolean).map(String).sort() : [];
}

// options returns [text, note, expression up to the cursor] of each completion. An empty field
// recalls older expressions, those with names first.
async function options(input, recalls) {
	const head = input.value.slice(0, input.selectionStart), [, op] = /~(\w*)$/.exec(head) || [], [, of, , value] = /~(\w+)\s+("?)([^\s"]*)$/.exec(head) || [];
	const up = text => head.slice(0, head.length - text.length);
	if (op !== undefined) return (await operators).filter(o => o.name.startsWith(op)).map(o => [`~${o.name}`, `${o.arg} ${o.help}`, `${up(op)}${o.name} `]);
	if (of) return valuesOf(of).filter(v => v !== value && v.startsWith(value)).map(v => [v, '', up(value) + (/[\s()&|!]/.test(v) && head.at(-1 - value.length) !== '"' ? `"${v}"` : v)]);
	if (input.value || !recalls) return [];
	const recent = JSON.parse(store[`recent-${input.id}`] || '[]');
	return [...Object.entries(saved).map(([name, expr]) => [name, expr, expr]), ...recent.map(expr => [expr, '', expr])];
}

// complete makes a field a combobox with the completions of what is before the cursor.
function complete(input) {
	const list = el('ul', { id: `${input.id}-options`, role: 'listbox', hidden: true, ariaLabel: 'Completions' });
	let all = [], at = -1;
	input.after(list);
	for (const [name, value] of Object.entries({ role: 'combobox', 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': list.id })) input.setAttribute(name, value);

	function mark(n) {
		at = n;
		[...list.children].forEach((li, i) => { li.ariaSelected = i === at; });
		list.children[at]?.scrollIntoView({ block: 'nearest' });
		input.setAttribute('aria-activedescendant', list.children[at]?.id || '');
	}
	function show(found) {
		all = found.slice(0, MOST);
		fill(list, all.map(([text, note], i) => el('li', { role: 'option', id: `${list.id}-${i}`, onpointerdown: e => take(e, i) }, el('code', text), ' ', note)));
		list.hidden = !all.length;
		input.ariaExpanded = !list.hidden;
		mark(-1);
	}
	const look = async recalls => show(await options(input, recalls === true));
	function take(e, n) {
		e.preventDefault();
		input.setRangeText(all[n][2], 0, input.selectionStart, 'end');
		show([]);
		input.dispatchEvent(new Event('input'));
	}
	input.addEventListener('input', look);
	input.addEventListener('blur', () => show([]));
	input.addEventListener('keydown', async e => {
		const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
		if (step) {
			e.preventDefault();
			if (list.hidden) await look(true);
			if (all.length) mark((at + step + all.length) % all.length);
		} else if (e.key === 'Enter' && at >= 0) take(e, at);
		else if (e.key === 'Escape' && !list.hidden) {
			e.stopPropagation();
			show([]);
		} else if (e.key === 'Enter') show([]);
	});
}

function filterMenu() {
	const close = () => $('popup').hidePopover();
	const name = el('input', { placeholder: 'Name', ariaLabel: 'Name of the filter' });
	const save = () => {
		if (!name.value.trim()) return;
		keep({ ...saved, [name.value.trim()]: route.f });
		close();
	};
	const remove = n => {
		const before = saved, { [n]: _, ...rest } = saved;
		keep(rest);
		close();
		undoable(`Deleted the filter ${n}.`, () => keep(before));
	};
	const use = f => {
		close();
		go({ f });
	};
	name.onkeydown = e => e.key === 'Enter' && save();
	popup($('filters'), Object.entries(saved).map(([n, f]) => el('p.command', button(n, () => use(f)), el('code', f), button('✕', () => remove(n), { ariaLabel: `Delete ${n}` }))),
		route.f ? el('p.command', name, button('Save this filter', save)) : el('p', 'A filter that is set can be saved here.'));
}

complete($('filter'));
complete($('highlight'));
keyboard([['F', 'saved filters', filterMenu, 'filters']], 'traffic');
