// The events of a session that is over, in their order.

import { $, button, date, el, fill, go } from './page.js';
import { journal } from './proxy.js';
import { call } from './source.js';
import { inSight } from './tables.js';

const seconds = time => typeof time === 'number' ? time : Date.parse(time) / 1000;

// follower returns a button that opens the first exchange after a time.
function follower(time) {
	const row = journal.rows.find(r => r.start >= time);
	return row && button(`#${row.seq}`, () => go({ view: 'traffic', seq: row.seq }), { title: 'the first exchange after it' });
}

let shown;

inSight('timeline', async () => {
	const events = await call('list_timeline');
	if (shown === events.length) return;
	shown = events.length;
	$('timeline-none').hidden = shown;
	fill($('timeline-rows'), events.map(({ time, kind, text, ...more }) => {
		const at = seconds(time), rest = Object.keys(more).length > 0 && el('small', JSON.stringify(more));
		return el('tr', el('td', at >= 0 && date(at)), el('td', el('code', kind || '')), el('td', text || '', rest), el('td', at >= 0 && follower(at)));
	}));
});
