// The language of filter expressions, for a page without a proxy: see driver/filter. The
// rules say of each operator what it compares with its argument. For each entry that has
// been worked out beforehand.

import { regex } from './regex.js';

const SPECIAL = `()~'"`;
const MAX_NESTING = 100, MAX_EXPR = 16384;
const SPACE = /\p{White_Space}/u;
const WANTED = {
	regex: 'a regular expression', status: 'a status (404, 4xx, 200-299, 401,403)', ms: 'a time in milliseconds (250, 1.5s)', bytes: 'a size in bytes (1000, 64k, 2m)',
};
const UNITS = {
	ms: { '': 1e6, ms: 1e6, s: 1e9 },
	bytes: { '': 1, k: 1024, kb: 1024, m: 1 << 20, mb: 1 << 20, g: 2 ** 30, gb: 2 ** 30 },
};
const LEVELS = ['fields', 'headers', 'bodies'];

// compile returns {match, part}, or null for an expression that matches everything. match
// takes the subjects of an entry, up to those of the part that the expression looks at:
// {fields, headers, bodies}. A body has the methods text and latin1. compile throws an
// error with a column.
export function compile(expr, rules) {
	if (new TextEncoder().encode(expr).length > MAX_EXPR) throw Object.assign(new Error(`column 1: expected an expression of at most ${MAX_EXPR} bytes`), { column: 1 });
	const p = new Parser(expr, rules);
	p.space();
	if (p.at === expr.length) return null;
	const match = p.sequence(-1);
	return { match, part: LEVELS[p.level] };
}

class Parser {
	constructor(src, rules) {
		Object.assign(this, { src, rules: new Map(rules.map(r => [r.name, r])), at: 0, depth: 0, level: 0 });
	}

	column(at) { return [...this.src.slice(0, at)].length + 1; }

	fail(at, message) {
		const column = this.column(at);
		throw Object.assign(new Error(`column ${column}: ${message}`), { column });
	}

	get next() { return this.src[this.at] || ''; }

	space() {
		while (SPACE.test(this.next)) this.at++;
	}

	run(until) {
		const start = this.at;
		while (this.next && !SPACE.test(this.next) && !until.includes(this.next)) this.at++;
		return this.src.slice(start, this.at);
	}

	// sequence reads expressions side by side, up to the parenthesis that closes the one at
	// open, or up to the end.
	sequence(open) {
		const parts = [];
		for (;;) {
			parts.push(this.chain('|', () => this.chain('&', () => this.term())));
			this.space();
			if (!this.next) {
				if (open >= 0) this.fail(this.at, `expected a ) for the ( in column ${this.column(open)}`);
			} else if (this.next !== ')') {
				continue;
			} else if (open < 0) {
				this.fail(this.at, 'expected an expression, found a ) without a (');
			} else {
				this.at++;
			}
			return s => parts.every(f => f(s));
		}
	}

	chain(sign, operand) {
		const parts = [];
		for (;;) {
			parts.push(operand());
			this.space();
			if (this.next !== sign) return parts.length === 1 ? parts[0] : sign === '|' ? s => parts.some(f => f(s)) : s => parts.every(f => f(s));
			this.at++;
			if (this.next === sign) this.at++;
		}
	}

	term() {
		let not = false, found;
		for (this.space(); this.next === '!'; this.space()) {
			not = !not;
			this.at++;
		}
		const c = this.next, start = this.at;
		if (!c) this.fail(start, 'expected an expression, found the end');
		if (c === ')' || c === '&' || c === '|') this.fail(start, `expected an expression, found ${c}`);
		if (c === '(') {
			if (++this.depth > MAX_NESTING) this.fail(start, `expected at most ${MAX_NESTING} parentheses inside each other`);
			this.at++;
			found = this.sequence(start);
			this.depth--;
		} else {
			found = c === '~' ? this.operator() : this.argument(this.rules.get('u'), '');
		}
		return not ? s => !found(s) : found;
	}

	operator() {
		const start = this.at++, name = this.run(`${SPECIAL}!&|`), rule = this.rules.get(name);
		if (!rule) {
			const before = this.src.slice(start - 1, start), part = before && !SPACE.test(before) && !`${SPECIAL}!&|`.includes(before);
			this.fail(start, `unknown operator ~${name}: ${part ? 'a regular expression with ~ needs quotes' : suggestion(name, [...this.rules.keys()])}`);
		}
		this.level = Math.max(this.level, LEVELS.indexOf(rule.part));
		if (!rule.arg) return s => s.fields[name] === true;
		if ('!&|'.includes(this.next) && this.next) this.fail(this.at, `expected ${WANTED[rule.arg]} after ~${name}`);
		this.space();
		return this.argument(rule, ` after ~${name}`);
	}

	argument(rule, after) {
		const start = this.at, c = this.next;
		let text = '';
		if (c === '"' || c === "'") {
			text = this.quoted(c);
			if (text === undefined) this.fail(start, `expected a closing ${c} for this one`);
		} else if (rule.arg === 'regex') {
			text = this.run(SPECIAL);
			// A sign right before an operator or a parenthesis does not belong to it.
			const [signs] = /[!&|]*$/.exec(text);
			if ((this.next === '~' || this.next === '(') && signs && signs[0] !== '!') {
				this.at -= signs.length;
				text = text.slice(0, text.length - signs.length);
			}
		} else {
			text = this.run(`${SPECIAL}!&|`);
		}
		if (this.at === start) this.fail(start, `expected ${WANTED[rule.arg]}${after}${this.next === '(' ? ', found (: in an argument it needs quotes' : ''}`);
		try {
			return TESTS[rule.arg](rule, text);
		} catch ({ message }) {
			return this.fail(start, `expected ${WANTED[rule.arg]}${after}, found \`${text}\`${message && `: ${message}`}`);
		}
	}

	quoted(end) {
		let text = '';
		for (let i = this.at + 1; i < this.src.length; i++) {
			let c = this.src[i];
			if (c === end) {
				this.at = i + 1;
				return text;
			}
			if (c === '\\' && i + 1 < this.src.length) {
				c = this.src[++i];
				if (!`\\"'`.includes(c)) text += '\\';
			}
			text += c;
		}
		return undefined;
	}
}

// TESTS make the test for an operator and its argument. They throw an error with a
// reason, or without one.
const TESTS = {
	regex: (rule, text) => MATCHERS[rule.part](rule.name, regex(text, rule.mode), text),
	status({ name }, text) {
		const ranges = text.split(',').map(part => {
			const [, digit] = /^(.*)xx$/i.exec(part) || [], [low, ...high] = digit === undefined ? part.split('-') : [`${digit}00`, `${digit}99`];
			const range = [low, high.length ? high.join('-') : low];
			if (!range.every(n => /^[1-9]\d\d$/.test(n)) || +range[0] > +range[1]) throw new Error('');
			return range;
		});
		return ({ fields }) => name in fields && ranges.some(([low, high]) => low <= fields[name] && fields[name] <= high);
	},
	ms: atLeast,
	bytes: atLeast,
};

function atLeast({ name, arg }, text) {
	const [, number, unit] = /^([\d.]*)(.*)$/s.exec(text), least = Math.ceil(Number(number) * UNITS[arg][unit.toLowerCase()]);
	if (!/\d/.test(number) || !(least < 2 ** 62)) throw new Error('');
	return ({ fields }) => fields[name] >= least;
}

const MATCHERS = {
	fields: (name, re) => ({ fields }) => fields[name]?.some(text => re.test(text)),
	headers(name, re, expr) {
		const ends = expr.includes('$');
		return ({ headers }) => headers[name]?.some(text => re.test(text) || ends && re.test(text.replaceAll('\r\n', '\n')));
	},
	bodies(name, re, expr) {
		const raw = expr.includes('\\x');
		return ({ bodies }) => bodies[name]?.some(b => re.test(b.text()) || raw && !b.valid() && re.test(b.latin1()));
	},
};

function suggestion(name, names) {
	const lower = name.toLowerCase(), known = names.find(n => lower.replace(/\d+$/, '') === n || lower.length > 2 && n.startsWith(lower)) || lower.length > 3 && nearest(lower, names);
	return known ? `did you mean ~${known}?` : `expected one of ~${names.sort().join(' ~')}`;
}

// nearest returns the name that differs from another one by a few letters.
function nearest(name, names) {
	const distance = (a, b) => {
		let row = Array.from({ length: b.length + 1 }, (_, i) => i);
		for (let i = 1; i <= a.length; i++) {
			const above = row;
			row = [i];
			for (let j = 1; j <= b.length; j++) row[j] = Math.min(row[j - 1] + 1, above[j] + 1, above[j - 1] + (a[i - 1] !== b[j - 1]));
		}
		return row[b.length];
	};
	const [best] = names.map(n => [distance(name, n), n]).sort(([a], [b]) => a - b);
	return best[0] <= Math.max(1, Math.floor(name.length / 3)) ? best[1] : '';
}

// Body has the bytes of a body, and the texts that expressions are matched against.
export class Body {
	#text;
	#valid;
	constructor(bytes) { this.bytes = bytes; }

	valid() {
		this.text();
		return this.#valid;
	}

	// text returns the bytes as UTF-8. A byte that is no part of a character is U+FFFD.
	text() {
		if (this.#text !== undefined) return this.#text;
		try {
			this.#text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes);
			this.#valid = true;
		} catch {
			this.#valid = false;
			this.#text = lax(this.bytes);
		}
		return this.#text;
	}

	latin1() {
		let text = '';
		for (let i = 0; i < this.bytes.length; i += 8192) text += String.fromCharCode(...this.bytes.subarray(i, i + 8192));
		return text;
	}
}

const LENGTHS = [[0xc2, 0xdf, 2], [0xe0, 0xef, 3], [0xf0, 0xf4, 4]];

// lax decodes UTF-8 with one U+FFFD for each wrong byte, as Go does.
function lax(bytes) {
	const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }), parts = [];
	for (let i = 0; i < bytes.length;) {
		let n = LENGTHS.find(([low, high]) => low <= bytes[i] && bytes[i] <= high)?.[2] || 1;
		try {
			parts.push(strict.decode(bytes.subarray(i, i + n)));
		} catch {
			n = 1;
			parts.push('\ufffd');
		}
		i += n;
	}
	return parts.join('');
}
