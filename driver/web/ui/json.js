// JSON values as text.

// parse keeps numbers as they were written. It returns undefined for a text that is not JSON.
export function parse(text) {
	try {
		return JSON.parse(text, (_, v, context) => typeof v === 'number' && JSON.rawJSON && String(v) !== context.source ? JSON.rawJSON(context.source) : v);
	} catch {
		return undefined;
	}
}

export const pretty = v => JSON.stringify(v, null, 2);

// readable lays out a text that is JSON, so that lines can be compared.
export function readable(text) {
	const value = parse(text);
	return value === undefined ? text : pretty(value);
}
