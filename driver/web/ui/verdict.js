// How an exchange was answered, in a word.

import { el } from './dom.js';

export const statusOf = r => r.status || r.sent_status || 0;

export const statusClass = r => `s${Math.floor(statusOf(r) / 100)}`;

// verdict gives the kind (a CSS class), the word for it, and by whom or why.
export function verdict(r) {
	const status = statusOf(r), own = r.origin === 'proxy';
	const [kind, word, by] = r.kind === 'tls_error' ? ['tls', 'TLS failure', r.error]
		: r.fault ? ['fault', 'fault', r.error?.replace('fault: ', '')]
		: own && status === 501 ? ['nomatch', 'no match', 'no mock fits']
		: own && (status >= 400 || r.error) ? ['bad', status === 502 ? 'unreachable' : status ? 'proxy error' : 'no answer', r.error]
		: own ? ['server', 'proxy']
		: r.origin === 'passthrough' ? r.error ? ['bad', 'server error', r.error] : ['server', 'real server']
		: [r.origin, r.origin === 'mocked' ? 'mock' : r.origin];
	return { kind, word, by: by || r.endpoint || '' };
}

export const pill = v => el(`span.pill.k-${v.kind}`, v.word);

export const wrong = r => r.kind === 'tls_error' || r.level || r.error && !r.fault || r.origin === 'proxy' && statusOf(r) >= 400;
