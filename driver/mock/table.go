package mock

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"starproxy/builtins/exchange"
)

// Table holds the endpoints in force. A change applies to the next request.
//
// If several endpoints fit a request, these rules choose one, in this order: the
// higher priority; an exact path before {name} segments before a prefix; the longer
// prefix; a method before any method; a server before any server; more conditions;
// the one that was inserted earlier.
type Table struct {
	mu sync.Mutex // held by changes
	ix atomic.Pointer[index]

	past      map[pastKey]*past // for Coverage
	pastOrder []*past
}

// NewTable makes an empty table.
func NewTable() *Table {
	t := &Table{}
	t.ix.Store(newIndex(nil))
	return t
}

// Set adds ep. If there is an endpoint of the same name, ep replaces it at its place.
// A Match that does not compile fits nothing.
func (t *Table) Set(ep *Endpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ix := t.ix.Load()
	t.replace(ix.byName.get(ep.Name), newRow(ep))
}

// replace puts w in the place of old, which is the row of the same name, or nil.
func (t *Table) replace(old, w *row) {
	if old != nil && old.hits != w.hits {
		t.fold(old)
	}
	if old != nil && old.ep == w.ep { // the same endpoint was set again
		w.retire()
		w.gone, w.retire = old.gone, old.retire
		old = nil
	}
	t.ix.Store(t.ix.Load().with(w))
	if old != nil {
		old.retire()
	}
}

// Remove removes the endpoint of that name and reports whether there was one.
func (t *Table) Remove(name string) (found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ix := t.ix.Load()
	w := ix.byName.get(name)
	if w == nil {
		return false
	}
	t.ix.Store(ix.without(w))
	t.fold(w)
	w.retire()
	return true
}

// Clear removes all endpoints and returns their number.
func (t *Table) Clear() (n int) {
	t.change(func(rows []*row) []*row {
		n = len(rows)
		return nil
	})
	return n
}

// ReplaceAll replaces all endpoints by eps in one step. If two have the same name, the
// later one counts, at the place of the first.
func (t *Table) ReplaceAll(eps []*Endpoint) {
	t.change(func([]*row) []*row { return newRows(eps) })
}

// newRows returns the rows of eps. If two have the same name, the later one counts, at
// the place of the first.
func newRows(eps []*Endpoint) []*row {
	rows := make([]*row, 0, len(eps))
	at := make(map[string]int, len(eps))
	for _, ep := range eps {
		if i, ok := at[ep.Name]; ok {
			rows[i] = newRow(ep)
			continue
		}
		at[ep.Name] = len(rows)
		rows = append(rows, newRow(ep))
	}
	return rows
}

// Arrange replaces all endpoints by eps in one step. All names must be different.
// Endpoints that are in the table already keep their hits, and stay disabled if they
// were. The same holds for one that takes the place of another with its name from its
// document, and for one that was taken out and whose report is in past.
func (t *Table) Arrange(eps []*Endpoint, past ...Report) {
	t.change(func(old []*row) []*row {
		kept := make(map[*Endpoint]*row, len(old))
		known := make(map[pastKey]Report, len(past)+len(old))
		for _, r := range past {
			known[keyOf(r.Endpoint)] = r
		}
		for _, w := range old {
			kept[w.ep] = w
			known[keyOf(w.ep)] = w.report()
		}
		rows := make([]*row, len(eps))
		for i, ep := range eps {
			if rows[i] = kept[ep]; rows[i] != nil {
				continue
			}
			rows[i] = newRow(ep)
			if r, ok := known[keyOf(ep)]; ok {
				rows[i].before, rows[i].off = r.Hits, !r.Enabled
			}
		}
		return rows
	})
}

// List returns the endpoints in the order of insertion.
func (t *Table) List() []*Endpoint {
	rows := t.ix.Load().rows
	eps := make([]*Endpoint, len(rows))
	for i, w := range rows {
		eps[i] = w.ep
	}
	return eps
}

// Report is an endpoint with its present condition in a table.
type Report struct {
	Endpoint *Endpoint
	// Hits is the number of requests that the endpoint was picked for since it was
	// added. [Table.Arrange] says when it goes on with those of another one.
	Hits    uint64
	Enabled bool
}

// Report returns reports of all endpoints, in the order of insertion.
func (t *Table) Report() []Report {
	rows := t.ix.Load().rows
	list := make([]Report, len(rows))
	for i, w := range rows {
		list[i] = w.report()
	}
	return list
}

func (w *row) report() Report { return Report{w.ep, w.before + w.hits.Load(), !w.off} }

// Enable enables or disables the endpoint of that name, and reports whether there is
// one. A disabled endpoint stays in the table but does not answer. An endpoint that
// replaces another one is enabled.
func (t *Table) Enable(name string, on bool) (found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.ix.Load().byName.get(name)
	if old == nil {
		return false
	}
	w := newRow(old.ep)
	w.off, w.hits, w.before = !on, old.hits, old.before
	t.replace(old, w)
	return true
}

// Find returns the endpoints for which fits returns true, in the order of insertion.
func (t *Table) Find(fits func(*Endpoint) bool) (eps []*Endpoint) {
	for _, w := range t.ix.Load().rows {
		if fits(w.ep) {
			eps = append(eps, w.ep)
		}
	}
	return eps
}

// Len returns the number of endpoints.
func (t *Table) Len() int { return len(t.ix.Load().rows) }

// Get returns the endpoint of that name, or nil.
func (t *Table) Get(name string) *Endpoint {
	if w := t.ix.Load().byName.get(name); w != nil {
		return w.ep
	}
	return nil
}

// change builds the next index from a copy of the rows and installs it.
func (t *Table) change(edit func([]*row) []*row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.ix.Load().rows
	fresh := edit(slices.Clone(old))
	kept := make(map[*Endpoint]*row, len(fresh))
	for _, w := range fresh {
		kept[w.ep] = w
	}
	var gone []*row
	for _, w := range old {
		again := kept[w.ep]
		if again != w {
			t.fold(w)
		}
		if again == nil {
			gone = append(gone, w)
		} else if again != w { // the same endpoint, put in once more
			again.retire()
			again.gone, again.retire = w.gone, w.retire
		}
	}
	t.ix.Store(newIndex(fresh))
	for _, w := range gone {
		w.retire()
	}
}

// Handler returns a handler that lets the endpoint answer that fits the request. It
// notes the endpoint in the exchange. If no endpoint fits, or the endpoint does not
// answer (no rule held), end answers: [Forward] or [Reject].
func (t *Table) Handler(end exchange.Handler) exchange.Handler {
	return &tableHandler{t, end}
}

type tableHandler struct {
	t   *Table
	end exchange.Handler
}

func (h *tableHandler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	for range maxMoves {
		res, err := h.ask(ctx, x)
		if err != ErrMoved {
			return res, err
		}
	}
	return nil, ErrMoved
}

// ask lets the endpoint answer that fits, or end.
func (h *tableHandler) ask(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	w := h.t.ix.Load().find(x.Request)
	if w != nil && w.ep.Handler != nil {
		w.hits.Add(1)
		x.Endpoint, x.Source, x.Params, x.Gone = w.ep.Name, w.source, w.match.params(requestPath(x.Request)), w.gone
		if res, err := w.ep.Handler.Respond(ctx, x); res != nil || err != nil {
			return res, err
		}
		// This endpoint did not answer: the exchange must not name it.
		x.Endpoint, x.Source, x.Params, x.Gone = "", "", nil, nil
	}
	return h.end.Respond(ctx, x)
}

// Interface guards.
var _ exchange.Handler = (*tableHandler)(nil)
