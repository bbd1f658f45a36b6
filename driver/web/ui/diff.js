// The differences of two texts, line by line, by the algorithm of Myers ("An O(ND)
// Difference Algorithm and Its Variations", 1986).

import { el } from './page.js';

const EFFORT = 1000; // with more differences than these, all that lies between is told as changed
const NEAR = 3; // equal lines that are shown around a difference

// lines returns the lines of both texts in order. Each is [sign, line]: "-" is only in the
// first text, "+" only in the second, " " in both.
export function lines(first, second) {
	const a = first.split('\n'), b = second.split('\n'), marked = (sign, all) => all.map(line => [sign, line]);
	let from = 0, to = 0;
	while (from < a.length && a[from] === b[from]) from++;
	while (to < Math.min(a.length, b.length) - from && a.at(-1 - to) === b.at(-1 - to)) to++;
	return [...marked(' ', a.slice(0, from)), ...middle(a.slice(from, a.length - to), b.slice(from, b.length - to), marked), ...marked(' ', a.slice(a.length - to))];
}

// middle compares lists that begin and end differently. reach has for each diagonal how far
// it leads in a; each round keeps a copy for the way back.
function middle(a, b, marked) {
	const most = Math.min(a.length + b.length, EFFORT), reach = new Int32Array(2 * most + 3), rounds = [];
	for (let d = 0; d <= most; d++) {
		for (let k = -d; k <= d; k += 2) {
			const at = k + most + 1;
			let x = downward(reach, at, k, d) ? reach[at + 1] : reach[at - 1] + 1;
			while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
			reach[at] = x;
			if (x >= a.length && x - k >= b.length) return wayBack(a, b, rounds, most);
		}
		rounds.push(reach.slice());
	}
	return [...marked('-', a), ...marked('+', b)];
}

const downward = (reach, at, k, d) => k === -d || k !== d && reach[at - 1] < reach[at + 1];

function wayBack(a, b, rounds, most) {
	const steps = [];
	let x = a.length, y = b.length;
	const equal = to => { while (x > to) steps.push([' ', a[--x]]), y--; };
	for (let d = rounds.length; d > 0; d--) {
		const reach = rounds[d - 1], at = x - y + most + 1, down = downward(reach, at, x - y, d);
		equal(down ? reach[at + 1] : reach[at - 1] + 1);
		steps.push(down ? ['+', b[--y]] : ['-', a[--x]]);
	}
	equal(0);
	return steps.reverse();
}

// diffView shows lines with a few equal ones around each difference.
export function diffView(all) {
	const near = all.map((_, i) => all.slice(Math.max(0, i - NEAR), i + NEAR + 1).some(([sign]) => sign !== ' '));
	let skipped = 0;
	const shown = all.flatMap(([sign, line], i) => {
		if (!near[i]) return skipped++ && [];
		const gap = skipped && el('span.dim', `… ${skipped} equal lines\n`);
		skipped = 0;
		return [gap, el({ '-': 'del', '+': 'ins' }[sign] || 'span', `${sign} ${line}\n`)];
	});
	return el('pre.diff', shown, skipped > 0 && el('span.dim', `… ${skipped} equal lines`));
}
