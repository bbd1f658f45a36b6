package state

import (
	"errors"
	"slices"
	"strings"

	"starproxy/builtins/jsonvalue"
)

// Started is the state of a machine that nothing has moved yet.
const Started = "Started"

// machinePrefix begins the keys of machines.
const machinePrefix = "scenario."

// Machine is a named scenario that is in one state at a time. The state lies in
// a store, under the key "scenario.NAME", where everybody who has the store can
// see it and set it; a key that is not there is [Started].
type Machine struct {
	store *Store
	key   string
}

// Machine returns the machine of that name.
func (s *Store) Machine(name string) Machine { return Machine{s, MachineKey(name)} }

// MachineKey returns the key under which a store has the machine of that name.
func MachineKey(name string) string { return machinePrefix + name }

// Now returns the present state.
func (m Machine) Now() string {
	v, ok := m.store.Get(m.key)
	return stateText(v, ok)
}

// stateText returns a value of the store as the name of a state.
func stateText(v any, ok bool) string {
	if !ok || v == nil {
		return Started
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, _ := jsonvalue.Append(nil, v)
	return string(b)
}

// errElsewhere is a machine that is in none of the states expected.
var errElsewhere = errors.New("the machine is in another state")

// Move brings the machine from one of the states in from, none for any, to
// another, and returns the state that it left. Of several that move it at once
// from the same state to another one, moved is true for a single one. The error
// is that of a store that is full.
func (m Machine) Move(from []string, to string) (left string, moved bool, err error) {
	_, err = m.store.Update(m.key, func(old any, ok bool) (any, error) {
		left = stateText(old, ok)
		if len(from) > 0 && !slices.Contains(from, left) {
			return nil, errElsewhere
		}
		return to, nil
	})
	if errors.Is(err, errElsewhere) {
		return left, false, nil
	}
	return left, err == nil, err
}

// Reset brings the machine back to [Started] and reports whether it was moved.
func (m Machine) Reset() bool { return m.store.Delete(m.key) }

// ResetMachines brings all machines back to [Started] and returns how many were
// moved.
func (s *Store) ResetMachines() int {
	n := 0
	for _, key := range s.Keys() {
		if strings.HasPrefix(key, machinePrefix) && s.Delete(key) {
			n++
		}
	}
	return n
}
