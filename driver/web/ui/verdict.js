// How an exchange was answered, in a word.

import { el } from './dom.js';

// verdict gives the kind (a CSS class), the word for it, and by whom.
export function verdict(r) {
	const by = r.endpoint || '';
	if (r.kind === 'tls_error') return { kind: 'tls', word: 'TLS failure', by: r.error };
	if (r.fault) return { kind: 'fault', word: 'fault', by };
	switch (r.origin) {
		case 'mocked': return { kind: 'mock', word: 'mock', by };
		case 'patched': return { kind: 'patched', word: 'patched', by };
		case 'replayed': return { kind: 'replayed', word: 'replayed', by };
		case 'proxy': return refusal(r, r.status || r.sent_status);
	}
	return r.error ? { kind: 'bad', word: 'server error', by: r.error } : { kind: 'server', word: 'real server', by };
}

function refusal(r, status) {
	if (status === 501) return { kind: 'nomatch', word: 'no match', by: '501, no mock fits' };
	if (status === 502) return { kind: 'bad', word: 'unreachable', by: r.error || '' };
	return status >= 400 || r.error ? { kind: 'bad', word: 'proxy error', by: r.error || '' } : { kind: 'server', word: 'proxy', by: '' };
}

export const pill = v => el(`span.pill.k-${v.kind}`, v.word);

// wrong tells whether somebody should be told why.
export const wrong = r => r.kind === 'tls_error' || !!r.error && !r.fault || !!r.level || r.origin === 'proxy' && (r.status || r.sent_status) >= 400;

export const statusClass = s => `s${Math.floor(s / 100)}`;
