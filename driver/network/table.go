package network

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/builtins/follow"
)

// Options are what a Table needs.
type Options struct {
	// Seed makes jitter and loss repeatable: on the same connection, counted since
	// the profile was set, the same bytes meet the same. Nil: random.
	Seed *uint64
	// Progress returns how far the clock of outages has moved forward; nil is for the
	// system's. Bytes are paced by the system's clock in any case.
	Progress func() time.Duration
	// Turned returns a channel that is closed when the clock is turned next; nil
	// for a clock that is never turned.
	Turned func() <-chan struct{}
}

// Table has the profiles of connections, by host, by client, or for all. The closest
// setting counts: one for the client and the host comes before one for the client
// alone, that before one for the host alone, and that before one for all. A range of
// clients with more bits is closer, and of hosts the closest pattern. Of two settings
// with the same key the one that a method has set counts, then that of the scenario.
//
// Connections of the same client address under one setting share a link: its rate is
// that of all of them together.
//
// A Table is for any number of goroutines. A nil Table has no settings.
type Table struct {
	o    Options
	seed uint64

	now     atomic.Pointer[snapshot] // nil when nothing is set
	changed follow.Notice

	mu       sync.Mutex
	scenario []*rule
	hand     []*rule
	hidden   map[Key]bool // of the scenario, that were cleared
}

// snapshot is what connections look at. It does not change.
type snapshot struct{ rules []*rule } // the first that fits counts

// New makes a Table without settings.
func New(o Options) *Table {
	t := &Table{o: o, seed: rand.Uint64()}
	if o.Seed != nil {
		t.seed = *o.Seed
	}
	if began := time.Now(); t.o.Progress == nil {
		t.o.Progress = func() time.Duration { return time.Since(began) }
	}
	if t.o.Turned == nil {
		t.o.Turned = func() <-chan struct{} { return nil }
	}
	return t
}

// Active reports whether any profile is set.
func (t *Table) Active() bool { return t != nil && t.now.Load() != nil }

// maxLinks bounds the number of clients whose links a rule keeps.
const maxLinks = 4096

// rule is a setting that is in force, with the links of its clients.
type rule struct {
	Setting
	from  string
	since time.Duration // by Options.Progress
	seed  uint64

	mu    sync.Mutex
	links map[netip.Addr]*link
}

func (t *Table) rule(s Setting, from string) *rule {
	return &rule{Setting: s, from: from, since: t.o.Progress(), seed: t.seed, links: map[netip.Addr]*link{}}
}

// link returns that of a client, and the number of connections on it so far.
func (r *rule) link(client netip.Addr) (k *link, number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k = r.links[client]
	if k == nil {
		if len(r.links) >= maxLinks {
			for a := range r.links { // its connections keep it
				delete(r.links, a)
				break
			}
		}
		k = &link{}
		r.links[client] = k
	}
	k.opened++
	return k, k.opened
}

// The layers of a table as Row.From names them.
const (
	FromScenario = "scenario"
	FromMethod   = "method"
)

// Load makes the settings of a scenario those of the table, in place of those of the
// scenario before. A setting that was there stays as it is.
func (t *Table) Load(settings []Setting) {
	t.change(func() {
		old := t.scenario
		t.scenario, t.hidden = nil, nil
		for _, s := range settings {
			same := func(r *rule) bool { return r.Key == s.Key && r.Profile == s.Profile }
			if i := slices.IndexFunc(old, same); i >= 0 {
				old[i].Line = s.Line
				t.scenario = append(t.scenario, old[i])
			} else {
				t.scenario = append(t.scenario, t.rule(s, FromScenario))
			}
		}
	})
}

// Set sets a profile, above what the scenario sets.
func (t *Table) Set(k Key, p Profile) {
	t.change(func() {
		t.hand = slices.DeleteFunc(slices.Clone(t.hand), func(r *rule) bool { return r.Key == k })
		t.hand = append(t.hand, t.rule(Setting{Key: k, Profile: p}, FromMethod))
	})
}

// Clear removes the settings with a key, also those of the scenario, until it is
// loaded again or [Table.Reset] is called. Nil stands for all keys. It returns the
// number of those removed.
func (t *Table) Clear(k *Key) (n int) {
	t.change(func() {
		n = len(t.rules())
		t.hand = slices.DeleteFunc(slices.Clone(t.hand), func(r *rule) bool { return k == nil || r.Key == *k })
		if t.hidden == nil {
			t.hidden = map[Key]bool{}
		}
		for _, r := range t.scenario {
			if k == nil || r.Key == *k {
				t.hidden[r.Key] = true
			}
		}
		n -= len(t.rules())
	})
	return n
}

// Reset removes what methods have set, and sets again what they have cleared.
func (t *Table) Reset() { t.change(func() { t.hand, t.hidden = nil, nil }) }

// Restart begins all settings anew: their outages, and what the seed draws.
func (t *Table) Restart() {
	t.change(func() {
		anew := func(old []*rule) (list []*rule) {
			for _, r := range old {
				list = append(list, t.rule(r.Setting, r.from))
			}
			return list
		}
		t.scenario, t.hand = anew(t.scenario), anew(t.hand)
	})
}

// rules returns the settings in force, and those of the scenario that others hide;
// t.mu is held.
func (t *Table) rules() []*rule {
	list := slices.Clone(t.hand)
	for _, r := range t.scenario {
		if !t.hidden[r.Key] {
			list = append(list, r)
		}
	}
	return list
}

// change changes the table and tells all connections.
func (t *Table) change(f func()) {
	t.mu.Lock()
	f()
	list := t.rules()
	slices.SortStableFunc(list, func(a, b *rule) int { return b.closeness() - a.closeness() })
	if len(list) == 0 {
		t.now.Store(nil)
	} else {
		t.now.Store(&snapshot{list})
	}
	t.mu.Unlock()
	t.changed.Notify()
}

// closeness orders the settings that fit a connection, see [Table].
func (k Key) closeness() int {
	n := 0
	if k.Client.IsValid() {
		n = (1 + k.Client.Bits()) << 20
	}
	switch {
	case k.Host == "":
	case strings.HasPrefix(string(k.Host), "*"):
		n += len(k.Host)
	default:
		n += 1 << 18
	}
	if k.Client.IsValid() && k.Host != "" {
		n += 1 << 30
	}
	return n
}

// find returns the setting that counts for a connection; nil for none.
func (s *snapshot) find(client netip.Addr, host string) *rule {
	if s == nil {
		return nil
	}
	var patterns []exchange.HostPattern
	if host != "" {
		patterns = slices.Collect(exchange.PatternsOf(host))
	}
	for _, r := range s.rules {
		if r.Client.IsValid() && !r.Client.Contains(client) || r.Host != "" && !slices.Contains(patterns, r.Host) {
			continue
		}
		return r
	}
	return nil
}

// Changed returns a channel that is closed when the table changes next.
func (t *Table) Changed() <-chan struct{} { return t.changed.Changed() }

// Changes returns how often the table has changed.
func (t *Table) Changes() uint64 { return t.changed.Count() }

// Row is a setting, as lists show it. Empty keys are those of [Key].
type Row struct {
	Host   string `json:"host,omitempty"`
	Client string `json:"client,omitempty"`
	// Title is the name of the preset, or the values of a profile by hand.
	Title   string  `json:"title"`
	Profile Profile `json:"profile"`
	// From is the layer: [FromScenario] or [FromMethod].
	From string `json:"from"`
	// Line is that of the scenario's document; 0 for none.
	Line int `json:"line,omitempty"`
}

// List returns the settings, the closest first. One of the scenario that a method has
// replaced is not among them.
func (t *Table) List() []Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []Row{}
	s := t.now.Load()
	if s == nil {
		return list
	}
	seen := map[Key]bool{}
	for _, r := range s.rules {
		if seen[r.Key] {
			continue
		}
		seen[r.Key] = true
		row := Row{Host: string(r.Host), Title: r.Profile.Title(), Profile: r.Profile, From: r.from, Line: r.Line}
		if r.Client.IsValid() {
			row.Client = exchange.ClientsText(r.Client)
		}
		list = append(list, row)
	}
	return list
}

// blocked reports whether nothing passes at a time of Options.Progress, and how long
// that lasts by that clock; 0 for ever.
func (r *rule) blocked(now time.Duration) (bool, time.Duration) {
	p := &r.Profile
	switch {
	case p.Offline:
		return true, 0
	case p.Outage.For == 0:
		return false, 0
	}
	at := (now - r.since) % p.Outage.Every
	return at >= p.Outage.Every-p.Outage.For, p.Outage.Every - at
}
