// The driver's methods.

export async function call(name, ...args) {
	const res = await fetch(`api/call/${name}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(args) })
		.catch(() => { throw new Error('The proxy does not answer.'); });
	const { result, error } = await res.json().catch(() => ({}));
	if (!res.ok) throw Object.assign(new Error(error || `HTTP status ${res.status}`), { status: res.status });
	return result;
}

// ask is call for methods whose result is JSON in a string.
export const ask = async (...args) => JSON.parse(await call(...args));

export const url = (kind, name, args) => `api/${kind}/${name}?args=${encodeURIComponent(JSON.stringify(args))}`;

export const download = (name, args, as) => save(`${url('file', name, args)}&as=${encodeURIComponent(as)}`, as);

export const saveBytes = (data, as) => save(URL.createObjectURL(new Blob([data])), as);

const save = (href, as) => Object.assign(document.createElement('a'), { href, download: as }).click();

export const unbase64 = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
