package state

import (
	"bytes"
	"maps"
	"slices"

	"starproxy/builtins/jsonvalue"
)

// Copy returns a store with the same keys and values. Nobody is told of its changes.
func (s *Store) Copy() *Store {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return &Store{keys: maps.Clone(s.keys), held: s.held}
}

// Difference is a key that two stores do not have alike.
type Difference struct {
	Key string
	// Before and After are the values in the first store and in the second one; nil where
	// the key is missing.
	Before, After any
	// Had and Has report whether the first store has the key, and the second one.
	Had, Has bool
}

// Differences returns how the store after differs from s, sorted by key.
func (s *Store) Differences(after *Store) []Difference {
	old, now := s.slots(), after.slots()
	all := maps.Clone(old)
	maps.Copy(all, now)
	var list []Difference
	for _, key := range slices.Sorted(maps.Keys(all)) {
		a, b := old[key], now[key]
		if a == b || a != nil && b != nil && alike(a.value, b.value) {
			continue
		}
		d := Difference{Key: key, Had: a != nil, Has: b != nil}
		if d.Had {
			d.Before = a.value
		}
		if d.Has {
			d.After = b.value
		}
		list = append(list, d)
	}
	return list
}

// slots returns a copy of the map of values.
func (s *Store) slots() map[string]*slot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.keys)
}

// alike reports whether two values have the same JSON text.
func alike(a, b any) bool {
	x, err := jsonvalue.Append(nil, a)
	y, other := jsonvalue.Append(nil, b)
	return err == nil && other == nil && bytes.Equal(x, y)
}
