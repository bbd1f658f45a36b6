// Boxes for filter expressions. They are checked while one types; what is wrong
// is pointed at in place.

import { ask } from './api.js';
import { $, el, fill, later } from './dom.js';
import { popup } from './notice.js';

const RECENT = 12;

// expressionBox gives a function that sets the text. apply gets every
// expression that is right.
export function expressionBox(name, apply) {
	const input = $(name), error = $(`${name}-error`), store = `recent-${name}`;
	let recent = JSON.parse(localStorage.getItem(store) || '[]');
	let applied = '';
	const offer = () => fill($(store), recent.map(value => el('option', { value })));
	offer();

	function complain(text, column) {
		error.hidden = !text;
		input.setAttribute('aria-invalid', !!text);
		if (text) fill(error, column > 0 && `${' '.repeat(column - 1)}▲\n`, text.replace(/^column \d+: /, ''));
		align();
	}
	function align() {
		error.style.setProperty('--shift', `${-input.scrollLeft}px`);
	}

	async function check() {
		const expr = input.value.trim();
		if (!expr) {
			complain('');
			set(expr);
			return true;
		}
		let answer;
		try {
			answer = await ask('check_filter', expr);
		} catch (e) {
			answer = { error: e.message };
		}
		if (expr !== input.value.trim()) return false; // typed on meanwhile
		const lead = input.value.length - input.value.trimStart().length;
		complain(answer.ok ? '' : answer.error, answer.column && answer.column + lead);
		if (answer.ok) set(expr);
		return answer.ok;
	}
	function set(expr) {
		if (expr === applied) return;
		applied = expr;
		apply(expr);
	}
	const soon = later(200, check);

	input.addEventListener('input', soon);
	input.addEventListener('scroll', align);
	input.addEventListener('change', async () => {
		const expr = input.value.trim();
		if (!await check() || !expr) return;
		recent = [expr, ...recent.filter(r => r !== expr)].slice(0, RECENT);
		localStorage.setItem(store, JSON.stringify(recent));
		offer();
	});
	return expr => {
		if (expr === applied) return;
		input.value = expr;
		check();
	};
}

// operatorHelp lists what expressions are made of; a click inserts it.
export async function operatorHelp(anchor) {
	const box = $('operators'), input = $('filter');
	const operators = await ask('list_filter_operators');
	fill(box, el('table', el('tbody', operators.map(o => el('tr', {
		onclick() {
			box.hidePopover();
			const gap = input.value && !/[\s(!]$/.test(input.value) ? ' ' : '';
			input.value += `${gap}${o.op}${o.arg ? ' ' : ''}`;
			input.focus();
			input.dispatchEvent(new Event('input'));
		},
	}, el('td', el('button', { type: 'button' }, o.op)), el('td', o.arg), el('td', o.help))))),
	el('p', 'A word alone searches the URL. Combine with & | ! and ( ); side by side means and. Quote arguments with spaces.'));
	popup(box, anchor);
}
