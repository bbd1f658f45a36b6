// The common parts of the page: elements, numbers as text, notices, the route and keys.

export const $ = id => document.getElementById(id);

// el makes an element: el('td.num', {title: 'bytes'}, '12'). Names with a dash
// become attributes, others properties. The properties may be left out.
export function el(spec, ...children) {
	const [tag, ...classes] = spec.split('.'), node = document.createElement(tag);
	node.className = classes.join(' ');
	if (children[0]?.constructor === Object) {
		for (const [name, value] of Object.entries(children.shift())) {
			if (name.includes('-')) node.setAttribute(name, value);
			else node[name] = value;
		}
	}
	return fill(node, children);
}

// fill replaces the children of a node, and leaves out those that are false, null or 0.
export function fill(node, ...children) {
	node.replaceChildren(...children.flat(9).filter(Boolean));
	return node;
}

export const button = (label, onclick, props) => el('button', { onclick, ...props }, label);

export const pairs = rows => rows?.length > 0 && el('table.pairs', rows.map(r => r && el('tr', el('th', r[0]), el('td', r[1]))));

export const section = (title, content) => content && el('details.part', { open: true }, el('summary', title), content);

// signal returns a function that adds a listener. The listener is called with the value
// that was sent last, and with each later one.
export function signal() {
	const all = [];
	let last;
	const on = f => {
		all.push(f);
		if (last) f(...last);
	};
	on.send = (...args) => {
		last = args;
		for (const f of all) f(...args);
	};
	return on;
}

// later returns a function that runs f once, a moment after the last call.
export function later(f) {
	let timer;
	return () => {
		clearTimeout(timer);
		timer = setTimeout(f, 200);
	};
}

export function bytes(n = 0) {
	for (const unit of ['B', 'KB', 'MB']) {
		if (n < 1000) return `${n.toFixed(n < 10 && n % 1 ? 1 : 0)} ${unit}`;
		n /= 1024;
	}
	return `${n.toFixed(1)} GB`;
}

export const millis = ms => ms < 1 ? `${Math.round(ms * 1000)} µs` : ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`;

export function date(epoch) {
	const t = new Date(epoch * 1000);
	return new Date(t - t.getTimezoneOffset() * 60000).toISOString().slice(0, 23).replace('T', ' ');
}

export const clock = epoch => date(epoch).slice(11);

export const count = n => (n || 0).toLocaleString('en');

export const save = (href, as) => el('a', { href, download: as }).click();

export const saveBytes = (data, as) => save(URL.createObjectURL(new Blob([data])), as);

export const hex = byte => byte.toString(16).padStart(2, '0');

// store keeps what the page remembers, if the browser has a place for it.
export const store = (() => {
	try {
		return localStorage;
	} catch {
		return {};
	}
})();

let toasting, undo;

// toast shows a message. A failure stays; any other message disappears after a while.
export function toast(text, bad = false) {
	fill($('toast'), text).className = bad ? 'bad' : '';
	clearTimeout(toasting);
	if (!bad) toasting = setTimeout(toast, 5000, '');
}
$('toast').onclick = () => toast('');

// undoable shows a message about what was done. The button in it, and Ctrl+Z also later,
// undo that once.
export function undoable(text, f) {
	undo = f;
	toast([text, ' ', button('Undo', takeBack, { title: 'Ctrl+Z' })]);
}

function takeBack() {
	undo?.();
	undo = null;
}

// Failures that nothing else handles are shown.
onunhandledrejection = e => toast(e.reason.message, true);

// popup shows something below an element, within the window.
export function popup(anchor, ...content) {
	const box = fill($('popup'), content), at = anchor.getBoundingClientRect();
	box.showPopover();
	box.style.left = `${Math.max(4, Math.min(at.left, innerWidth - box.offsetWidth - 4))}px`;
	box.style.top = `${Math.min(at.bottom + 4, innerHeight - box.offsetHeight - 4)}px`;
	box.querySelector(':enabled')?.focus();
}

export const menu = (anchor, choices) => popup(anchor, choices.map(([label, action]) => button(label, () => {
	$('popup').hidePopover();
	action();
}, { disabled: !action })));

export const sure = (anchor, what, action) => menu(anchor, [[`Yes, ${what}`, action], ['No', () => {}]]);

export async function copy(text) {
	if (navigator.clipboard) await navigator.clipboard.writeText(text);
	else { // the page came from elsewhere, and not by TLS
		const area = document.body.appendChild(el('textarea', { value: text }));
		area.select();
		document.execCommand('copy');
		area.remove();
	}
	toast('Copied.');
}

// The fragment keeps what is shown: #/traffic/123/response?f=FILTER&h=HIGHLIGHT
export const route = {};

// onRoute hears of each route, onView of each other view.
export const onRoute = signal();
export const onView = signal();

export function read() {
	const [path, query] = location.hash.slice(2).split('?'), [view = '', seq, tab = ''] = path.split('/'), before = route.view;
	const { f = '', h = '' } = Object.fromEntries(new URLSearchParams(query));
	Object.assign(route, { view: view || 'traffic', seq: +seq || 0, tab, f, h });
	if (route.view !== before) onView.send(route.view);
	onRoute.send(route);
}

// go changes parts of the route. Back undoes what opened something, but not
// each step through the list.
export function go(changes) {
	if ('seq' in changes) changes = { tab: '', ...changes };
	const { view, seq, tab, f, h } = { ...route, ...changes }, query = new URLSearchParams(Object.entries({ f, h }).filter(([, v]) => v));
	const hash = `#/${view}${seq ? `/${seq}/${tab}` : ''}${query.size ? `?${query}` : ''}`;
	if (hash === location.hash) return;
	history[view !== route.view || !seq !== !route.seq ? 'pushState' : 'replaceState'](null, '', hash);
	read();
}

onpopstate = read;

// Everything goes by keyboard. In text fields and dialogs keys do what they do. Keys that
// are a letter or a sign can be switched off (WCAG 2.2, 2.1.4), for they may be spoken.
// In a select with the class letters they do what they do elsewhere.
const keysHelp = el('dl'), actions = {};
const letters = el('input', { type: 'checkbox', checked: store.letters !== 'off', onchange() { store.letters = letters.checked ? 'on' : 'off'; } });
fill($('keys'), keysHelp, el('label', letters, ' Keys of one letter or sign'), el('footer', button('Close', () => $('keys').close())));

// keyboard takes [keys, what they do, function, button that does the same], for
// one view or for all. Elsewhere the keys are the browser's.
export function keyboard(bindings, view) {
	for (const [keys, what, action, id] of bindings) {
		const all = keys.split(' '), f = e => !(view && view !== route.view || $(id)?.disabled || $(id)?.matches('.read-only .live')) && action(e);
		for (const k of all) actions[k] = f;
		if (id) Object.assign($(id), { onclick: f, title: `${what} (${keys})` });
		keysHelp.append(el('dt', all.map(k => el('kbd', k))), el('dd', what));
	}
}

keyboard([['Ctrl+Z', 'undo', takeBack]]);

onkeydown = e => {
	if (undo && e.key === 'z' && (e.ctrlKey || e.metaKey) && !e.target.shadowRoot && !e.target.matches('input, textarea')) return takeBack();
	if (e.ctrlKey || e.metaKey || e.altKey || e.target.shadowRoot || document.querySelector('dialog[open], :popover-open')) return;
	const key = e.key === ' ' ? 'Space' : e.key, f = key.length === 1 && !letters.checked ? undefined : actions[key];
	if (e.target.matches('input:not([type=checkbox]), textarea, select') && !(e.target.matches('.letters') && key.length === 1)) {
		if (key === 'Escape') $('rows').focus();
	} else if (f && !(e.target.matches('button, a, summary, input') && /Space|Enter/.test(key)) && f(e) !== false) {
		e.preventDefault();
	}
};
