// The fragment keeps what is shown: #/traffic/123/response?f=FILTER&h=HIGHLIGHT

export const route = {};
let listener;

export function onRoute(f) {
	listener = f;
	read();
}

function read() {
	const [path, query] = location.hash.slice(2).split('?'), [view, seq, tab] = path.split('/'), params = new URLSearchParams(query);
	Object.assign(route, { view: view || 'traffic', seq: +seq || 0, tab: tab || '', f: params.get('f') || '', h: params.get('h') || '' });
	listener(route);
}

// go changes parts of the route. Back undoes what opened something, but not
// each step through the list.
export function go(changes) {
	const r = { tab: '', ...'seq' in changes ? {} : { tab: route.tab }, ...changes };
	const { view, seq, tab, f, h } = { ...route, ...r };
	const params = new URLSearchParams(Object.entries({ f, h }).filter(([, v]) => v));
	const hash = `#/${view}${seq ? `/${seq}${tab && `/${tab}`}` : ''}${params.size ? `?${params}` : ''}`;
	if (hash === location.hash) return;
	history[view !== route.view || !seq !== !route.seq ? 'pushState' : 'replaceState'](null, '', hash);
	read();
}

addEventListener('popstate', read);
