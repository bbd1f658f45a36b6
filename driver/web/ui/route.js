// The fragment keeps what is shown: #/traffic/123/response?f=FILTER&h=HIGHLIGHT

export const route = { view: 'traffic', seq: 0, tab: '', f: '', h: '' };
const listeners = [];

export const onRoute = f => listeners.push(f);

export function readRoute() {
	const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
	const [view, seq, tab] = path.split('/');
	const params = new URLSearchParams(query);
	Object.assign(route, { view: view || 'traffic', seq: +seq || 0, tab: tab || '', f: params.get('f') || '', h: params.get('h') || '' });
	for (const f of listeners) f(route);
}

// go changes parts of the route. What opens or closes something makes an entry
// in the history, so that Back undoes it; moving about does not.
export function go(changes) {
	const push = 'view' in changes && changes.view !== route.view || 'seq' in changes && !changes.seq !== !route.seq;
	const r = { ...route, ...changes };
	let hash = `#/${r.view}`;
	if (r.view === 'traffic' && r.seq) hash += `/${r.seq}${r.tab ? `/${r.tab}` : ''}`;
	const params = new URLSearchParams();
	if (r.f) params.set('f', r.f);
	if (r.h) params.set('h', r.h);
	if (params.size) hash += `?${params}`;
	if (hash === location.hash) return;
	history[push ? 'pushState' : 'replaceState'](null, '', hash);
	readRoute();
}

addEventListener('popstate', readRoute);
