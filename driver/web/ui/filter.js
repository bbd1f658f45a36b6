// Boxes for filter expressions, which are checked while one types.

import { ask } from './api.js';
import { $, button, el, fill, later } from './dom.js';
import { popup } from './notice.js';

// apply gets every expression that is right; the answer sets the text.
export function expressionBox(name, apply) {
	const input = $(name), problem = $(`${name}-error`), store = `recent-${name}`;
	let recent = JSON.parse(localStorage[store] || '[]'), applied = '';
	const offer = () => fill($(store), recent.map(value => el('option', { value })));

	async function check() {
		const expr = input.value;
		const { error, column } = expr.trim() ? await ask('check_filter', expr).catch(e => ({ error: e.message })) : {};
		if (expr !== input.value) return; // typed on meanwhile
		problem.hidden = !error;
		input.ariaInvalid = !!error;
		if (error) problem.textContent = (column ? `${' '.repeat(column - 1)}▲\n` : '') + error;
		else if (expr !== applied) apply(applied = expr);
	}

	input.oninput = later(check);
	input.onchange = async () => {
		await check();
		if (!applied || applied !== input.value) return;
		recent = [...new Set([applied, ...recent])].slice(0, 12);
		localStorage[store] = JSON.stringify(recent);
		offer();
	};
	offer();
	return expr => {
		if (expr === applied) return;
		input.value = expr;
		check();
	};
}

export async function operatorHelp() {
	const input = $('filter'), insert = op => {
		$('popup').hidePopover();
		input.focus();
		input.setRangeText(`~${op} `, input.selectionStart, input.selectionEnd, 'end');
		input.oninput();
	};
	popup($('operators'), el('table', (await ask('list_filter_operators')).map(o => el('tr', el('td', button(`~${o.name}`, () => insert(o.name))), el('td', o.arg), el('td', o.help)))),
		el('p', 'A word alone searches the URL. Combine with & | ! ( ); quote what has spaces.'));
}
