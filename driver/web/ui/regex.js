// Regular expressions of RE2 (https://github.com/google/re2/wiki/Syntax) as JavaScript's. A
// text must match here exactly if it matches in driver/filter.

const PERL = { d: '0-9', w: '0-9A-Za-z_', s: '\\t\\n\\f\\r\\u{20}' };
const POSIX = {
	alnum: '0-9A-Za-z', alpha: 'A-Za-z', ascii: '\\x00-\\x7f', blank: '\\t\\u{20}', cntrl: '\\x00-\\x1f\\x7f', digit: '0-9', graph: '\\x21-\\x7e', lower: 'a-z',
	print: '\\x20-\\x7e', punct: '\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e', space: '\\t\\n\\v\\f\\r\\u{20}', upper: 'A-Z', word: PERL.w, xdigit: '0-9A-Fa-f',
};
const CONTROL = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const MAX_REPEAT = 1000;

// regex compiles a regular expression that ignores the case of letters. mode has the
// flags "s" or "m". The message of an error is the reason.
export function regex(text, mode = '') {
	const source = new Translator(text, mode).all();
	try {
		return new RegExp(source, 'iv');
	} catch {
		throw new Error('this browser cannot compile it');
	}
}

const literal = c => /^[0-9A-Za-z]$/.test(c) ? c : `\\u{${c.codePointAt(0).toString(16)}}`;

// Translator reads an expression from left to right. Parts of it are in items as
// JavaScript source, each with how often it repeats what is in it.
class Translator {
	constructor(text, mode) {
		this.text = text;
		this.at = 0;
		this.flags = { i: true, m: mode === 'm', s: mode === 's' };
	}

	fail(why, from, to = this.at) {
		const part = from === undefined ? '' : this.text.slice(from, to);
		throw new Error(from === undefined || part && part === this.text ? why : `${why}: ${part}`);
	}

	has(text) { return this.text.startsWith(text, this.at); }

	take() {
		const c = String.fromCodePoint(this.text.codePointAt(this.at));
		this.at += c.length;
		return c;
	}

	all() {
		const source = this.alternatives();
		if (this.at < this.text.length) this.fail('unexpected )');
		return source;
	}

	// alternatives reads up to the parenthesis that closes a group, or up to the end.
	alternatives() {
		const branches = [];
		this.weight = 0;
		let items = [], weight = 0, repeated = -1; // repeated: where the operator before began
		for (; this.at < this.text.length && !this.has(')');) {
			const start = this.at;
			if (this.has('|')) {
				this.at++;
				branches.push(items);
				items = [];
				repeated = -1;
				continue;
			}
			const times = this.repetition();
			if (times) {
				if (repeated >= 0) this.fail('invalid nested repetition operator', repeated);
				if (!items.length) this.fail('missing argument to repetition operator', start);
				const last = items.at(-1);
				last.weight *= times.weight;
				if (times.weight > 1 && last.weight > MAX_REPEAT) this.fail('invalid repeat count', start);
				last.source = `(?:${last.source})${times.source}`;
				repeated = start;
				continue;
			}
			repeated = -1;
			items.push(...this.item());
		}
		branches.push(items);
		for (const item of branches.flat()) weight = Math.max(weight, item.weight);
		this.weight = weight || 1;
		return branches.map(b => b.map(item => item.source).join('')).join('|');
	}

	// repetition reads an operator such as * or {2,3}, with the ? that makes it lazy. It
	// does not matter for a match whether it is lazy.
	repetition() {
		const start = this.at, [all, operator, low, comma, high] = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(this.text.slice(start)) || [];
		if (!all || !operator && !comma && high || !operator && [low, high].some(n => /^0\d/.test(n))) return null;
		const braces = all.replace(/\}\?$/, '}');
		this.at += all.length;
		if (operator) return { source: operator, weight: 1 };
		if (+low > MAX_REPEAT || +high > MAX_REPEAT || high && +low > +high) {
			this.fail('invalid repeat count', start, start + braces.length);
		}
		return { source: braces, weight: Math.max(+low, +high, 1) };
	}

	// cased returns a source that heeds the case of letters where it must.
	cased(source) { return this.flags.i ? source : `(?-i:${source})`; }

	// item reads what is no operator.
	item() {
		const one = source => [{ source, weight: 1 }];
		const c = this.text[this.at];
		switch (c) {
			case '(': return this.group();
			case '[': return one(this.cased(this.class()));
			case '.': this.at++; return one(this.flags.s ? '[^]' : '[^\\n]');
			case '^': this.at++; return one(this.flags.m ? '(?:^|(?<=\\n))' : '^');
			case '$': this.at++; return one(this.flags.m ? '(?:$|(?=\\n))' : '$');
			case '\\': return this.escaped();
		}
		return one(this.cased(literal(this.take())));
	}

	group() {
		const start = this.at;
		let flags = this.flags;
		if (!this.has('(?')) this.at++;
		else if (/^\(\?P?</.test(this.text.slice(start)) && !/^\(\?(P<|<)$/.test(this.text.slice(start))) this.name(start);
		else if (!(flags = this.perlFlags())) return [];
		const outer = { ...this.flags };
		this.flags = { ...flags };
		const source = this.alternatives(), { weight } = this;
		if (!this.has(')')) this.fail('missing closing )');
		this.at++;
		this.flags = outer;
		return [{ source: `(?:${source})`, weight }];
	}

	// name reads the beginning of a group with a name, which means nothing here.
	name(start) {
		const end = this.text.indexOf('>', start);
		if (end < 0) this.fail('invalid named capture', start, this.text.length);
		this.at = end + 1;
		const name = this.text.slice(start, this.at).replace(/^\(\?P?<|>$/g, '');
		if (!/^\w+$/.test(name)) this.fail('invalid named capture', start);
		this.names ??= new Set();
		if (this.names.has(name)) this.fail('duplicate capture group name', end - name.length, end);
		this.names.add(name);
	}

	// perlFlags reads (?flags) or the beginning of (?flags:…). It sets the flags and returns
	// null, or returns those of the group.
	perlFlags() {
		const start = this.at, flags = { ...this.flags };
		this.at += 2;
		for (let on = true, seen = false; this.at < this.text.length;) {
			const c = this.take();
			if (/[imsU]/.test(c)) {
				flags[c] = on;
				seen = true;
			} else if (c === '-' && on) {
				on = seen = false;
			} else if (/[:)]/.test(c) && (on || seen)) {
				if (c === ':') return flags;
				this.flags = flags;
				return null;
			} else {
				break;
			}
		}
		return this.fail('RE2 has no such group (look-around, for one)', start);
	}

	escaped() {
		const one = source => [{ source, weight: 1 }], next = this.text[this.at + 1];
		switch (next) {
			case 'A': this.at += 2; return one('^');
			case 'z': this.at += 2; return one('$');
			case 'b': case 'B': this.at += 2; return one(`(?-i:\\${next})`);
			case 'C': this.at += 2; return this.fail('invalid escape sequence', this.at - 2);
			case 'Q': {
				const end = this.text.indexOf('\\E', this.at), stop = end < 0 ? this.text.length : end, items = [];
				for (this.at += 2; this.at < stop;) items.push(...one(this.cased(literal(this.take()))));
				if (end >= 0) this.at = end + 2;
				return items;
			}
		}
		const set = this.set();
		return one(this.cased(set ? `[${set}]` : literal(this.character())));
	}

	// set reads \d, \pN and the like as members of a class, "" when there is none.
	set() {
		const next = this.text[this.at + 1];
		if (this.text[this.at] !== '\\' || !next) return '';
		if (/[dwsDWS]/.test(next)) {
			this.at += 2;
			const members = PERL[next.toLowerCase()];
			return next in PERL ? members : `[^${members}]`;
		}
		return /[pP]/.test(next) ? this.property(next === 'P') : '';
	}

	property(negated) {
		const start = this.at;
		this.at += 2;
		if (this.at === this.text.length) return this.fail('invalid character class range', start);
		let name = this.take();
		if (name === '{') {
			const end = this.text.indexOf('}', start);
			if (end < 0) this.fail('invalid character class range', start, this.text.length);
			name = this.text.slice(this.at, end);
			this.at = end + 1;
		}
		if (name[0] === '^') {
			negated = !negated;
			name = name.slice(1);
		}
		for (const p of [`\\p{${name}}`, `\\p{General_Category=${name}}`, `\\p{Script=${name}}`]) {
			try {
				new RegExp(p, 'v');
				return negated ? `[^${p}]` : p;
			} catch { /* the next kind of name */ }
		}
		return this.fail('invalid character class range', start);
	}

	class() {
		const start = this.at, rest = this.text.length;
		let members = '';
		this.at++;
		const negated = this.has('^');
		if (negated) this.at++;
		for (let first = true; first || !this.has(']'); first = false) {
			const from = this.at;
			const [named, not, name] = /^\[:(\^?)(.*?):\]/s.exec(this.text.slice(from)) || [];
			if (named) {
				this.at += named.length;
				if (!(name in POSIX)) this.fail('invalid character class range', from);
				members += not ? `[^${POSIX[name]}]` : POSIX[name];
				continue;
			}
			const set = this.set();
			if (set) {
				members += set;
				continue;
			}
			const member = () => this.at < rest ? this.text[this.at] === '\\' ? this.character() : this.take() : this.fail('missing closing ]', start, rest);
			const low = member();
			let high = low;
			if (this.has('-') && this.at + 1 < rest && this.text[this.at + 1] !== ']') {
				this.at++;
				high = member();
				if (high.codePointAt(0) < low.codePointAt(0)) this.fail('invalid character class range', from);
			}
			members += low === high ? literal(low) : `${literal(low)}-${literal(high)}`;
		}
		this.at++;
		return `[${negated ? '^' : ''}${members}]`;
	}

	// character reads an escape that means one character.
	character() {
		const start = this.at++;
		if (this.at === this.text.length) throw new Error('trailing backslash at end of expression: ');
		const c = this.take(), [hex] = /^(?:\{[0-9A-Fa-f]+\}|[0-9A-Fa-f]{2})/.exec(this.text.slice(this.at)) || [];
		if (c.codePointAt(0) < 128 && !/[0-9A-Za-z]/.test(c)) return c;
		if (c in CONTROL) return String.fromCharCode(CONTROL[c]);
		const [octal] = /^(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(this.text.slice(start + 1)) || [];
		if (octal) {
			this.at = start + 1 + octal.length;
			return String.fromCharCode(parseInt(octal, 8));
		}
		if (c === 'x' && hex && parseInt(hex.replace('{', ''), 16) <= 0x10ffff) {
			this.at += hex.length;
			return String.fromCodePoint(parseInt(hex.replace('{', ''), 16));
		}
		if (c === 'x') this.at += this.wrongHex();
		return this.fail('invalid escape sequence', start);
	}

	// wrongHex returns how much of a wrong hexadecimal escape an error shows.
	wrongHex() {
		const rest = this.text.slice(this.at);
		if (!rest.startsWith('{')) return [...rest].slice(0, 2).join('').length;
		let n = 1, value = 0;
		for (const c of rest.slice(1)) {
			n += c.length;
			value = value * 16 + parseInt(c, 16);
			if (!(value <= 0x10ffff)) break;
		}
		return n;
	}
}
