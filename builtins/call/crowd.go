package call

import (
	"fmt"
	"iter"

	"go.starlark.net/starlark"
)

// The interpreter's hash of a number, and of a text of less than 12 bytes, has no
// secret. So a client can choose many keys with the same hash. Each new key is compared
// with all others, so that n keys cost n*n comparisons in one operation that cannot be
// interrupted. Therefore the dicts of a client's data are checked.
const (
	CrowdFrom = 64            // the number of keys from which a table is checked
	crowdFair = 32            // the number of keys that one bucket may have by chance
	crowdMost = 32 << 20      // the most comparisons for a dict of a client's data, about 0.1 s
	crowdOwn  = 8 * crowdMost // the most comparisons for one step of a script
	crowdStep = 64            // the number of comparisons in the time of one step
	LookEvery = 1 << 12       // Look is called once for so many values
	QuickText = 1 << 20       // a library may read so many bytes without a call of Look
)

// Look returns the reason why the run must end, if there is one. It is for
// long work between two steps of the interpreter.
func (c *Call) Look() error {
	if c == nil || c.Context == nil {
		return nil
	}
	return c.Alive()
}

// crowd counts the comparisons between keys in the same bucket of a hash table. It
// leaves out those that chance explains.
type crowd struct {
	hashes  []uint32
	buckets []uint32
	extra   int
	paid    int // the part of extra that was charged
}

// add counts a new key.
func (w *crowd) add(key starlark.Value) {
	h, err := key.Hash()
	if err != nil {
		return // the insertion of the key returns this error
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

// Crowded returns an error if too many keys of a table have the same hash. The n keys
// must be different.
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

// DictMaker makes a dict of a client's data. It charges for comparisons, returns an
// error if there are too many, and stops when the run ends.
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

// pay charges for the comparisons since the last charge. It returns an error if the
// run must end.
func (w *crowd) pay(c *Call) error {
	steps := (w.extra - w.paid) / crowdStep
	w.paid = w.extra
	if err := c.Charge(steps); err != nil {
		return err
	}
	return c.Look()
}

// hashing has the functions and methods of the language that make a hash table of
// their arguments in one step.
var hashing = map[string]bool{
	"dict": true, "set": true, "update": true, "union": true, "difference": true, "intersection": true,
	"symmetric_difference": true, "issubset": true, "issuperset": true,
}

// Hashable returns an error if name is such a function and too many elements of its
// argument have the same hash. A few elements cost nothing.
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
	// An element that occurs several times must be counted once.
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

// keyOf returns the part of an element that the function name hashes. For dict and
// update it is the first value of each pair.
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
