// The events of a session that is over, in their order.

import { $, button, date, el, fill, go } from './page.js';
import { journal } from './proxy.js';
import { call } from './source.js';
import { inSight } from './tables.js';

const seconds = time => typeof time === 'number' ? time : Date.parse(time) / 1000;

// follower returns a button that opens the first exchange after a time.
const follower = time => button('→', () => {
	const row = journal.rows.find(r => r.start >= time);
	go({ view: 'traffic', seq: row?.seq || 0 });
}, { title: 'the first exchange after it', ariaLabel: 'Show the first exchange after it' });

let shown;

inSight('timeline', async () => {
	const events = await call('list_timeline');
	if (shown === events.length) return;
	shown = events.length;
	$('timeline-none').hidden = shown;
	fill($('timeline-rows'), events.map(({ time, kind, what, value, args, said, error }) => {
		const at = seconds(time), given = Object.entries(args || {}).map(([name, v]) => `${name}: ${typeof v === 'string' ? v : JSON.stringify(v)}`).join(', ');
		return el('tr', el('td', at >= 0 && date(at)), el('td', el('code', kind || '')),
			el('td', what || '', value && el('code', ` = ${value}`), given && el('small', given), said && el('small', said), error && el('small.error', error)),
			el('td', at >= 0 && follower(at)));
	}));
});
