package call

import (
	"fmt"
	"iter"

	"go.starlark.net/starlark"
)

// The interpreter's hash of a text of less than 12 bytes, and of a number, has
// no secret: a client can choose many keys with the same hash. Each new one is
// compared with all of them, so that n keys cost n*n comparisons in one
// operation that nothing can interrupt. What is built of a client's data is
// therefore watched.
const (
	CrowdFrom = 64            // keys from which a table is watched
	crowdFair = 32            // keys of one bucket that are no crowd
	crowdMost = 32 << 20      // comparisons for one dict of a client's data, about 0.1 s
	crowdOwn  = 8 * crowdMost // comparisons for what a script makes of it in one step
	crowdStep = 64            // comparisons that take the time of a step
	LookEvery = 1 << 12       // values between two looks at the end of the run
	QuickText = 1 << 20       // bytes that a library may read without a look
)

// Look returns the reason why the run must end, if there is one. It is for
// long work between two steps of the interpreter.
func (c *Call) Look() error {
	if c == nil || c.Context == nil {
		return nil
	}
	return c.Alive()
}

// crowd counts the comparisons between the keys of a hash table that stand in
// the same bucket beyond those that chance explains.
type crowd struct {
	hashes  []uint32
	buckets []uint32
	extra   int
	paid    int // of extra
}

// add counts a key that was not there yet.
func (w *crowd) add(key starlark.Value) {
	h, err := key.Hash()
	if err != nil {
		return // whoever inserts it says so
	}
	w.hashes = append(w.hashes, h)
	if len(w.hashes) > 8*len(w.buckets) {
		w.buckets = make([]uint32, max(2*len(w.buckets), CrowdFrom/8))
		for _, h := range w.hashes[:len(w.hashes)-1] {
			w.buckets[h&uint32(len(w.buckets)-1)]++
		}
	}
	n := &w.buckets[h&uint32(len(w.buckets)-1)]
	if *n++; *n > crowdFair {
		w.extra += int(*n) - crowdFair
	}
}

func errCrowd(n int) error {
	return fmt.Errorf("too many of %d keys have the same hash: they were made to take long", n)
}

// Crowded refuses keys of one table, none of them twice, of which too many have
// the same hash. n is their number.
func Crowded(n int, keys iter.Seq[starlark.Value]) error {
	if n <= CrowdFrom {
		return nil
	}
	var w crowd
	for k := range keys {
		if w.add(k); w.extra > crowdMost {
			return errCrowd(n)
		}
	}
	return nil
}

// DictMaker makes a dict of what a client sent. It looks at the end of the run,
// charges for comparisons, and refuses what has too many of them.
type DictMaker struct {
	*starlark.Dict
	call  *Call
	crowd *crowd // nil while the dict is small
}

// Maker begins a dict of about size keys.
func (c *Call) Maker(size int) DictMaker {
	return DictMaker{Dict: starlark.NewDict(size), call: c}
}

// Set sets the value of a key.
func (m *DictMaker) Set(k, v starlark.Value) error {
	before := m.Len()
	if err := m.SetKey(k, v); err != nil {
		return err
	}
	if n := m.Len(); n <= CrowdFrom || n == before {
		return nil
	}
	return m.watch(k)
}

// crowdOf counts the keys of a dict.
func crowdOf(d *starlark.Dict) *crowd {
	w := new(crowd)
	for k := range d.Entries() {
		w.add(k)
	}
	return w
}

// watch counts a key that is new.
func (m *DictMaker) watch(k starlark.Value) error {
	if m.crowd == nil {
		m.crowd = crowdOf(m.Dict)
	} else {
		m.crowd.add(k)
	}
	w, n := m.crowd, m.Len()
	if w.extra > crowdMost {
		return errCrowd(n)
	}
	if w.extra-w.paid < crowdMost/64 && n%LookEvery != 0 {
		return nil
	}
	return w.pay(m.call)
}

// pay charges for what was not paid for, and looks at the end of the run.
func (w *crowd) pay(c *Call) error {
	steps := (w.extra - w.paid) / crowdStep
	w.paid = w.extra
	if err := c.Charge(steps); err != nil {
		return err
	}
	return c.Look()
}

// hashing are the functions and methods of the language that make a hash table
// of what they are given in one step.
var hashing = map[string]bool{
	"dict": true, "set": true, "update": true, "union": true, "difference": true, "intersection": true,
	"symmetric_difference": true, "issubset": true, "issuperset": true,
}

// Hashable refuses an argument of one of those when too many of its elements
// have the same hash; a few elements cost nothing more.
func (c *Call) Hashable(name string, v starlark.Value) error {
	n := starlark.Len(v)
	if !hashing[name] || n <= LookEvery {
		return nil
	}
	elements, ok := v.(starlark.Iterable)
	if !ok {
		return nil
	}
	var w crowd
	for k := range starlark.Elements(elements) {
		w.add(keyOf(name, k))
	}
	if w.extra <= crowdOwn {
		return w.pay(c)
	}
	// Elements that are there several times are no crowd.
	w = crowd{}
	seen := map[string]struct{}{}
	for k := range starlark.Elements(elements) {
		k = keyOf(name, k)
		text, ok := starlark.AsString(k)
		if text = "=" + text; !ok {
			text = k.String()
		}
		if _, again := seen[text]; !again {
			seen[text] = struct{}{}
			w.add(k)
		}
	}
	if w.extra > crowdOwn {
		return fmt.Errorf("%s: %w", name, errCrowd(n))
	}
	return w.pay(c)
}

// keyOf is what the function name hashes of an element: dict and update make
// keys of the first of each pair.
func keyOf(name string, element starlark.Value) starlark.Value {
	if name != "dict" && name != "update" {
		return element
	}
	if pair, ok := element.(starlark.Indexable); ok && pair.Len() == 2 {
		if _, text := element.(starlark.String); !text {
			return pair.Index(0)
		}
	}
	return element
}
