// Several rows that are selected: by clicks and keys with Shift and Ctrl. They are saved,
// deleted and compared together.

import { between, chosen, cursor, repaint, select } from './list.js';
import { $, count, go, keyboard, route, undoable } from './page.js';
import { journal, onChange } from './proxy.js';
import { call } from './source.js';

let anchor = 0; // the row at which a range begins

function tell() {
	$('selection').hidden = !chosen.size;
	$('selected').textContent = `${count(chosen.size)} selected`;
	$('compare-selected').disabled = chosen.size !== 2;
	repaint();
}

function unselect() {
	if (!chosen.size) return;
	chosen.clear();
	tell();
}

function toggle(seq) {
	if (!(seq > 0)) return; // one in flight has no entry yet
	if (!chosen.delete(seq)) chosen.add(seq);
	anchor = seq;
	tell();
}

// extend selects the rows up to one, from the last one that was selected alone.
export function extend(from, to) {
	if (!chosen.size) anchor = from || to;
	chosen.clear();
	for (const seq of between(anchor, to)) chosen.add(seq);
	select(to);
	tell();
}

// click selects rows with a click that has Ctrl or Shift, and reports whether it did.
export function click(seq, { ctrlKey, metaKey, shiftKey }) {
	const now = cursor();
	if (shiftKey) extend(now, seq);
	else if (ctrlKey || metaKey) {
		if (!chosen.size && now && route.seq === now) chosen.add(now); // the one that is open
		select(seq);
		toggle(seq);
	} else {
		unselect();
		return false;
	}
	return true;
}

// selection returns the numbers of the selected rows as ranges [first, last]. With loose,
// there may be numbers in a range that the filter does not show.
export function selection(loose) {
	const all = [];
	let range;
	for (const { seq } of journal.rows) {
		if (!chosen.has(seq)) range = null;
		else if (range && (loose || seq === range[1] + 1)) range[1] = seq;
		else all.push(range = [seq, seq]);
	}
	return all;
}

async function remove() {
	if (!chosen.size && !cursor()) return;
	if (!chosen.size) chosen.add(cursor());
	const seqs = JSON.stringify(selection()), { count: n } = await call('delete_captures', seqs);
	if (chosen.has(route.seq)) go({ seq: 0 });
	unselect();
	undoable(`Deleted ${count(n)} exchange${n === 1 ? '' : 's'}.`, () => call('restore_captures', seqs));
}

function compare() {
	const [a, b] = [...chosen].sort((x, y) => x - y);
	go({ view: 'compare', seq: a, tab: String(b) });
}

$('rows').addEventListener('keydown', e => {
	if (e.key === 'a' && (e.ctrlKey || e.metaKey)) extend(...between(-Infinity, Infinity, true));
	else if (e.key === 'Escape' && chosen.size) unselect();
	else return;
	e.preventDefault();
	e.stopPropagation();
});

onChange((added, changed, anew) => {
	if (!anew || !chosen.size) return;
	const there = new Set(journal.rows.map(r => r.seq));
	for (const seq of chosen) if (!there.has(seq)) chosen.delete(seq);
	tell();
});

keyboard([
	['v', 'select', () => toggle(cursor())],
	['Shift+↓ Shift+↑ Ctrl+A', 'select more, all'],
	['Delete', 'delete', remove, 'delete-selected'],
	['=', 'compare two', compare, 'compare-selected'],
], 'traffic');
$('unselect').onclick = unselect;
