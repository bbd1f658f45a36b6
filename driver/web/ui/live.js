// Exchanges in flight: how long they last, and cutting them off. Until an exchange ends, the
// number of its row is -live.

import { age, cursor, lasting, replace } from './list.js';
import { $, bytes, el, fill, go, keyboard, onRoute, route, sure, toast } from './page.js';
import { journal, onChange, onLanded, rowOf } from './proxy.js';
import { call } from './source.js';

let timer;

// One timer counts for all rows, while there are some in flight.
onChange(() => {
	if (!journal.flying.size) timer = clearInterval(timer);
	else timer ??= setInterval(() => document.hidden || (age(), tell()), 1000);
	tell();
});

// A row that ends becomes that of its entry, wherever it is shown.
onLanded((from, to) => {
	replace(from, to);
	if (route.seq === from) go({ seq: to, tab: route.tab });
});

const open = () => {
	const row = rowOf(route.seq || cursor());
	return journal.flying.has(row) && row;
};

// tell shows the state of the exchange that is open.
function tell() {
	const r = rowOf(route.seq), on = r && journal.flying.has(r);
	$('in-flight').hidden = !on;
	if (on) fill($('in-flight-state'), el('b', r.state), ` · ${lasting(r)} · ${bytes(r.received)} received, ${bytes(r.size)} sent`);
}
onRoute(tell);

function cut() {
	const r = open();
	if (!r) return;
	const act = async () => toast(await call('cut_exchange', r.live));
	sure($('in-flight').hidden ? $('rows') : $('cut'), `cut off ${r.method} ${r.host}${r.path.slice(0, 40)}`, act);
}

keyboard([['!', 'cut it off', cut, 'cut']], 'traffic');
