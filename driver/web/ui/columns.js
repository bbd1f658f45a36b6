// The columns of the list: which ones there are, and how wide. The browser remembers both.

import { $, el, popup, store } from './page.js';

const GAP = 8, EDGES = 24, MIN = 30, MAX = 800; // pixels

// A list that is too narrow for all columns goes without these, one after the other. The
// host and the scheme are then in the cell of the path.
const LEAVE = ['Type', 'Number', 'Host', 'Scheme', 'Size', 'Device', 'Time', 'Duration', 'Method'];

// On a phone a row has two lines, with places for these.
const PHONE = ['Status', 'Method', 'Host', 'Path', 'Duration', 'Answered'];

const phone = matchMedia('(max-width:700px)');
const saved = JSON.parse(store.columns || '{}'); // {shown, width} by name

function change(name, what) {
	saved[name] = { ...saved[name], ...what };
	store.columns = JSON.stringify(saved);
}

const wanted = (name, c) => saved[name]?.shown ?? !c.extra;

export const widthOf = (name, c) => saved[name]?.width || c.width;

// fit returns the names of the columns that a list of a width has, and lays them out.
export function fit(all, width) {
	let names = Object.keys(all).filter(n => phone.matches ? PHONE.includes(n) : wanted(n, all[n]));
	const need = () => names.reduce((sum, n) => sum + widthOf(n, all[n]) + GAP, EDGES);
	for (const n of LEAVE) if (!phone.matches && need() > width) names = names.filter(x => x !== n);
	layOut(all, names);
	return names;
}

function layOut(all, names) {
	const track = n => saved[n]?.width && n !== 'Path' ? `${saved[n].width}px` : all[n].grow ? `minmax(${all[n].width}px,${all[n].grow}fr)` : `${all[n].width}px`;
	$('rows').parentNode.style.setProperty('--columns', names.map(track).join(' '));
}

// handle makes the separator at the right of the head of a column.
export function handle(all, name, anew) {
	const set = width => {
		change(name, { width });
		anew();
	};
	return separator(el('i'), `Width of ${name}`, { min: MIN, max: MAX, step: 8, get: () => widthOf(name, all[name]), set });
}

// columnMenu offers the columns, and the orders of the rows, which a phone has no heads for.
export function columnMenu(anchor, all, anew, order, sort) {
	const box = name => el('label', el('input', { type: 'checkbox', checked: wanted(name, all[name]), onchange(e) {
		change(name, { shown: e.target.checked });
		anew();
	} }), name);
	const orders = Object.keys(all).flatMap(n => [`${n} ▲`, `${n} ▼`]);
	const by = el('select', { onchange: () => sort(by.value.slice(0, -2), by.value.endsWith('▼')) }, orders.map(o => el('option', o)));
	by.value = order;
	popup(anchor, Object.keys(all).filter(n => n !== 'Path').map(box), el('label', 'Order ', by));
}

// separator lets a size be changed by dragging a node, by arrow keys, Home and End. Enter
// or a double click returns to the size at the beginning, for which set gets 0. A pixel is
// scale() in the unit of the size.
export function separator(node, label, { min, max, step, get, set, scale = () => 1 }) {
	const tell = () => { node.ariaValueNow = Math.round(get()); };
	const to = size => {
		set(size && Math.round(Math.max(min, Math.min(max, size))));
		tell();
	};
	Object.assign(node, { role: 'separator', tabIndex: 0, ariaLabel: label, ariaOrientation: 'vertical', ariaValueMin: min, ariaValueMax: max });
	node.onpointerdown = e => {
		const from = get(), x = e.clientX;
		node.setPointerCapture(e.pointerId);
		node.onpointermove = m => to(from + (m.clientX - x) * scale());
		node.onlostpointercapture = () => { node.onpointermove = null; };
	};
	node.ondblclick = () => to(0);
	node.onkeydown = e => {
		const size = { ArrowLeft: get() - step, ArrowRight: get() + step, Home: min, End: max, Enter: 0 }[e.key];
		if (size === undefined) return;
		e.preventDefault();
		e.stopPropagation();
		to(size);
	};
	tell();
	return node;
}

// The splitter between the list and the detail changes the share of the list.
const split = $('splitter').parentNode, HALF = 50;
const place = share => {
	store.split = share || '';
	split.style.setProperty('--split', `${share || HALF}%`);
};
place(+store.split);
separator($('splitter'), 'Width of the list', { min: 15, max: 85, step: 2, get: () => +store.split || HALF, set: place, scale: () => 100 / split.offsetWidth });
