// Numbers and times as they are shown.

const UNITS = ['B', 'KB', 'MB', 'GB'];

export function bytes(n) {
	let u = 0;
	while (n >= 1000 && u < UNITS.length - 1) {
		n /= 1024;
		u++;
	}
	return `${u && n < 10 ? n.toFixed(1) : Math.round(n)} ${UNITS[u]}`;
}

export function millis(ms) {
	if (ms < 1) return `${Math.round(ms * 1000)} µs`;
	if (ms < 10) return `${ms.toFixed(1)} ms`;
	if (ms < 1000) return `${Math.round(ms)} ms`;
	return ms < 60000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.floor(ms / 60000)} min ${Math.round(ms / 1000) % 60} s`;
}

const pad = (n, width = 2) => String(n).padStart(width, '0');

export function clock(epoch) {
	const t = new Date(epoch * 1000);
	return `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}.${pad(t.getMilliseconds(), 3)}`;
}

export const date = epoch => `${new Date(epoch * 1000).toLocaleDateString()} ${clock(epoch)}`;

export const count = n => n.toLocaleString('en');

export const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
