// Package state is the key-value store that tests (over RPC), templates and
// scripts share.
//
// A Store is for any number of goroutines. A value that has been stored is
// never changed in place, so whoever got it may keep it, and nobody may
// change it.
//
// driver serves it to tests, builtins to templates and scripts.
package state

import (
	"maps"
	"slices"
	"sync"

	"starproxy/builtins/follow"
)

// Store maps keys to JSON values: nil, bool, string, int64, json.Number (all
// numbers that int64 does not say), []any and jsonvalue.Object. The zero value is not ready for use: see [New].
type Store struct {
	mu      sync.RWMutex
	keys    map[string]*slot
	held    int // bytes that keys and values take
	changed follow.Signal
	told    func(Change) // nil for nobody
}

// Change is a change of one key.
type Change struct {
	Key string
	// Value is the new one; nil when the key was removed.
	Value   any
	Removed bool
}

// Tell has told called with each change, in their order. It may be called once, before the
// store is used. told must return soon, and must not use the store.
func (s *Store) Tell(told func(Change)) { s.told = told }

// change announces a change; s.mu is held.
func (s *Store) change(c Change) {
	s.changed.Notify()
	if s.told != nil {
		s.told(c)
	}
}

// slot holds one stored value. A new value gets a new slot, so that the
// address tells whether a value was replaced in the meantime.
type slot struct {
	value any
	size  int // in bytes
}

func newSlot(v any) (*slot, error) {
	v, err := Value(v)
	return &slot{v, weigh(v)}, err
}

// New makes an empty store.
func New() *Store { return &Store{keys: map[string]*slot{}} }

// Get gives the value of key and whether it is set.
func (s *Store) Get(key string) (any, bool) {
	s.mu.RLock()
	e := s.keys[key]
	s.mu.RUnlock()
	if e == nil {
		return nil, false
	}
	return e.value, true
}

// Set stores a value under key, converted by [Value]. It fails when the store
// would hold too much: see [MaxHeld], [MaxKeys] and [MaxKey].
func (s *Store) Set(key string, v any) error {
	e, err := newSlot(v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.admit(key, s.keys[key], e); err != nil {
		return err
	}
	s.keys[key] = e
	s.change(Change{Key: key, Value: e.value})
	return nil
}

// Delete removes key and tells whether it was set.
func (s *Store) Delete(key string) bool {
	_, ok := s.Pop(key)
	return ok
}

// Pop removes key and gives the value it had.
func (s *Store) Pop(key string) (any, bool) {
	s.mu.Lock()
	e := s.keys[key]
	delete(s.keys, key)
	if e != nil {
		s.held -= e.size + len(key)
		s.change(Change{Key: key, Removed: true})
	}
	s.mu.Unlock()
	if e == nil {
		return nil, false
	}
	return e.value, true
}

// Keys lists the keys in alphabetical order.
func (s *Store) Keys() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.keys))
}

// Clear removes all keys and gives their number.
func (s *Store) Clear() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.keys)
	if s.told != nil {
		for _, key := range slices.Sorted(maps.Keys(s.keys)) {
			s.told(Change{Key: key, Removed: true})
		}
	}
	clear(s.keys)
	s.held = 0
	s.changed.Notify()
	return n
}

// Changed returns a channel that is closed when a key changes next.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed.Changed()
}

// Changes returns how often a key has changed.
func (s *Store) Changes() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed.Count()
}

// All copies the whole store.
func (s *Store) All() map[string]any {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make(map[string]any, len(s.keys))
	for k, e := range s.keys {
		all[k] = e.value
	}
	return all
}

// Update replaces the value of key by what fn makes of it, atomically: fn
// sees the value that its result replaces. No lock is held while fn runs, so
// it may take its time and use the store; when another writer comes between,
// fn runs again on what that one left. An error of fn is returned and nothing
// is stored, and so is that of a store which would hold too much. Update returns the stored value.
func (s *Store) Update(key string, fn func(old any, ok bool) (any, error)) (any, error) {
	for {
		s.mu.RLock()
		seen := s.keys[key]
		s.mu.RUnlock()
		var old any
		if seen != nil {
			old = seen.value
		}
		v, err := fn(old, seen != nil)
		if err != nil {
			return nil, err
		}
		next, err := newSlot(v)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		if s.keys[key] == seen {
			err := s.admit(key, seen, next)
			if err == nil {
				s.keys[key] = next
				s.change(Change{Key: key, Value: next.value})
			}
			s.mu.Unlock()
			return next.value, err
		}
		s.mu.Unlock()
	}
}
