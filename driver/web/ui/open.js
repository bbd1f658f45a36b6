// Files of sessions are opened in tabs of their own, by a button or by dropping them on the
// page. The proxy reads them. It closes a file some seconds after its tab.

import { $, count, el, keyboard, toast } from './page.js';
import { status } from './proxy.js';
import { opened, upload } from './source.js';

async function show(file) {
	toast(`Opening ${file.name} …`);
	const { address, exchanges, unread } = await upload(file);
	const text = [`${file.name}: ${count(exchanges)} exchanges${unread ? `, and ${count(unread)} that can’t be read` : ''}. `];
	if (!open(address, '_blank')) text.push(el('a', { href: address, target: '_blank' }, 'Show them')); // the browser allows no tabs unasked
	toast(text);
}

const each = async files => {
	for (const file of files) await show(file).catch(e => toast(e.message, true));
};

const input = el('input', { type: 'file', multiple: true, accept: '.har,.zip,.flow,.bin,.json', onchange: () => each([...input.files]).finally(() => { input.value = ''; }) });

const accepts = e => !status.read_only && e.dataTransfer?.types.includes('Files');
ondragover = e => accepts(e) && e.preventDefault();
ondrop = e => {
	if (!accepts(e)) return;
	e.preventDefault();
	return each([...e.dataTransfer.files]);
};

keyboard([['o', 'open a file', () => input.click(), 'open']], 'traffic');

if (opened) addEventListener('pagehide', () => navigator.sendBeacon('api/leave'));
