// The fragment keeps what is shown: #/traffic/123/response?f=FILTER&h=HIGHLIGHT

export const route = {};
let listener;

// onRoute sets what gets each route, and the view before it.
export function onRoute(f) {
	listener = f;
	read();
}

function read() {
	const [path, query] = location.hash.slice(2).split('?'), [view = '', seq, tab = ''] = path.split('/'), before = route.view;
	const { f = '', h = '' } = Object.fromEntries(new URLSearchParams(query));
	listener(Object.assign(route, { view: view || 'traffic', seq: +seq || 0, tab, f, h }), before);
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
