package state

import (
	"encoding/json"
	"fmt"

	"starproxy/builtins/jsonvalue"
)

// The bounds of a store.
const (
	// MaxHeld is how much the values of a store may take, in bytes.
	MaxHeld = 128 << 20
	// MaxKeys is how many keys it may have, and MaxKey how long each may be, in
	// bytes: the names may come from clients.
	MaxKeys = 100_000
	MaxKey  = 4096
)

// The sizes of values beside their text, in bytes.
const (
	sizeOfValue = 16
	sizeOfMap   = 48
	sizeOfGroup = 264 // for each seven entries of a map
	// A member of an object has a key and a value beside their contents.
	sizeOfMember = 32
)

// weigh returns about how many bytes a stored value takes.
func weigh(v any) int {
	switch v := v.(type) {
	case string:
		return sizeOfValue + len(v)
	case []any:
		n := sizeOfValue * (len(v) + 2)
		for _, e := range v {
			n += weigh(e)
		}
		return n
	case json.Number:
		return sizeOfValue + len(v)
	case jsonvalue.Object:
		n := sizeOfMap + sizeOfMember*len(v)
		for _, m := range v {
			n += len(m.Key) + weigh(m.Value)
		}
		return n
	}
	return sizeOfValue
}

// admit counts the change of a key from old to next, or refuses it; s.mu is held.
func (s *Store) admit(key string, old, next *slot) error {
	held := s.held + next.size
	if old != nil {
		held -= old.size
	} else {
		held += len(key)
	}
	switch {
	case len(key) > MaxKey:
		return fmt.Errorf("the key has %d bytes, want at most %d", len(key), MaxKey)
	case old == nil && len(s.keys) >= MaxKeys:
		return fmt.Errorf("the state has %d keys already, which is the most", MaxKeys)
	case held > MaxHeld && next.size > 0 && held > s.held:
		return fmt.Errorf("the state would hold %d bytes, want at most %d", held, MaxHeld)
	}
	s.held = held
	return nil
}

// JSONSize returns at least about how many bytes the value of a JSON text
// takes, and how deep it is nested. It does not check the text.
func JSONSize(text string) (size, depth int) {
	size = len(text)
	level, inside := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case inside:
		case c == '{':
			level++
			size += sizeOfMap + sizeOfGroup
		case c == '[':
			level++
			size += 3 * sizeOfValue
		case c == '}' || c == ']':
			level--
		case c == ',':
			size += 3 * sizeOfValue
		}
		depth = max(depth, level)
	}
	return size, depth
}
