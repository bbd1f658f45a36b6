// Numbers and times as they are shown.

export function bytes(n) {
	for (const unit of ['B', 'KB', 'MB']) {
		if (n < 1000) return `${unit !== 'B' && n < 10 ? n.toFixed(1) : Math.round(n)} ${unit}`;
		n /= 1024;
	}
	return `${n.toFixed(1)} GB`;
}

export const millis = ms => ms < 1 ? `${Math.round(ms * 1000)} µs` : ms < 1000 ? `${ms.toPrecision(ms < 10 ? 2 : 3)} ms` : `${(ms / 1000).toFixed(2)} s`;

const pad = (n, width = 2) => String(n).padStart(width, '0');

export function clock(epoch) {
	const t = new Date(epoch * 1000);
	return `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}.${pad(t.getMilliseconds(), 3)}`;
}

export const date = epoch => `${new Date(epoch * 1000).toLocaleDateString()} ${clock(epoch)}`;

export const count = n => (n || 0).toLocaleString('en');

export const hex = byte => byte.toString(16).padStart(2, '0');
