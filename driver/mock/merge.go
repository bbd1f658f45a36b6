package mock

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"starproxy/builtins/jsonvalue"
)

// maxIndex limits the length of a list that a patch makes longer, so that a mistyped
// index cannot fill the memory.
const maxIndex = 1 << 16

// Merge merges patch into target, at every level, and returns the result. Neither is
// changed, but the result shares the unchanged parts. Values are those of package
// jsonvalue. Keys keep the order of target; new keys follow in the order of patch.
//
// Maps are merged key by key. Any other value replaces the old one. A key "name[2]"
// means an element of the list "name". A missing list is made, and a list that is too
// short is extended with empty maps. "name[-1]" is the last element. There may be
// several indexes ("grid[0][1]"), and "[2]" alone is an index of a target that is a
// list itself. A key that is a path (see [value.Dig]) of a value in the target, such
// as "user.name" or "items.-1.id", replaces that value. If target has no such value,
// the dots are part of a new key. Parts that cannot be applied, such as a list index
// for a map, are left out.
func Merge(target any, patch jsonvalue.Object) any {
	merged, _ := merge(target, patch)
	return merged
}

// merge is Merge that also returns the parts that could not be applied.
func merge(target any, patch jsonvalue.Object) (any, []string) {
	var m merger
	if len(patch) == 0 {
		return target, nil
	}
	if list, ok := target.([]any); ok {
		return m.elements(list, patch), m.refused
	}
	return m.object(target, patch, ""), m.refused
}

type merger struct{ refused []string }

func (m *merger) refuse(where, format string, args ...any) {
	m.refused = append(m.refused, where+": "+fmt.Sprintf(format, args...))
}

// value applies one value of a patch to the old value.
func (m *merger) value(target, patch any, where string) any {
	p, ok := patch.(jsonvalue.Object)
	if !ok {
		return patch
	}
	return m.object(target, p, where)
}

// object applies a map to the old value. If that is not a map, it counts as an empty
// one.
func (m *merger) object(target any, patch jsonvalue.Object, where string) any {
	old, _ := target.(jsonvalue.Object)
	merged := jsonvalue.From(old)
	for _, change := range inTurn(patch) {
		at := join(where, change.Key)
		now, literal := merged.Get(change.Key)
		to := change.Key
		if !literal && strings.ContainsAny(change.Key, `.\`) {
			if steps, ok := jsonvalue.Steps(merged.Object(), change.Key); ok {
				now, _ = merged.Get(steps[0].Key)
				merged.Set(steps[0].Key, m.along(now, steps[1:], change.Value, at))
				continue
			}
			to = jsonvalue.UnescapedKey(change.Key)
		}
		name, indexes, ok := splitIndexes(change.Key)
		if literal || !ok || name == "" {
			merged.Set(to, m.value(now, change.Value, at))
			continue
		}
		name = jsonvalue.UnescapedKey(name)
		now, _ = merged.Get(name)
		if v, ok := m.element(now, indexes, change.Value, at); ok {
			merged.Set(name, v)
		}
	}
	return merged.Object()
}

// inTurn returns a patch in the order in which it is applied. That is its own order,
// but "a" comes before "a[0]", because "a[0]" changes the new value of "a".
func inTurn(patch jsonvalue.Object) jsonvalue.Object {
	first := map[string]int{} // the position at which a name comes first
	turn := make([]int, len(patch))
	indexed := false
	for i, change := range patch {
		name, _, ok := splitIndexes(change.Key)
		indexed = indexed || ok
		if _, seen := first[name]; !seen {
			first[name] = i
		}
		turn[i] = first[name]
	}
	if !indexed {
		return patch
	}
	order := make([]int, len(patch))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(turn[a], turn[b]), cmp.Compare(patch[a].Key, patch[b].Key))
	})
	sorted := make(jsonvalue.Object, len(patch))
	for i, at := range order {
		sorted[i] = patch[at]
	}
	return sorted
}

// along applies a value at the end of a path.
func (m *merger) along(target any, steps []jsonvalue.Step, patch any, where string) any {
	if len(steps) == 0 {
		return m.value(target, patch, where)
	}
	step := steps[0]
	if list, ok := target.([]any); ok {
		list = slices.Clone(list)
		list[step.Index] = m.along(list[step.Index], steps[1:], patch, where)
		return list
	}
	old, _ := target.(jsonvalue.Object)
	merged := jsonvalue.From(old)
	now, _ := merged.Get(step.Key)
	merged.Set(step.Key, m.along(now, steps[1:], patch, where))
	return merged.Object()
}

// elements applies a map with "[N]" keys to a list.
func (m *merger) elements(list []any, patch jsonvalue.Object) any {
	var merged any = list
	for _, change := range inTurn(patch) {
		name, indexes, ok := splitIndexes(change.Key)
		if !ok || name != "" {
			m.refuse(change.Key, "the target is a list, expected a key such as [0]")
			continue
		}
		if v, ok := m.element(merged, indexes, change.Value, change.Key); ok {
			merged = v
		}
	}
	return merged
}

// element sets a value in a list, or in lists of lists, and returns the new list.
func (m *merger) element(target any, indexes []int, patch any, where string) (any, bool) {
	if len(indexes) == 0 {
		return m.value(target, patch, where), true
	}
	list, ok := target.([]any)
	if !ok && target != nil {
		m.refuse(where, "not a list")
		return nil, false
	}
	i := indexes[0]
	if i < 0 {
		if i += len(list); i < 0 {
			m.refuse(where, "index %d in a list of %d", indexes[0], len(list))
			return nil, false
		}
	}
	if i >= maxIndex && i >= len(list) {
		m.refuse(where, "index beyond %d", maxIndex-1)
		return nil, false
	}
	merged := make([]any, max(len(list), i+1))
	for k := copy(merged, list); k < len(merged); k++ {
		merged[k] = jsonvalue.Object{}
	}
	old := merged[i]
	if len(indexes) > 1 && i >= len(list) {
		old = nil // this element was added as an empty map, not as a list
	}
	v, ok := m.element(old, indexes[1:], patch, where)
	if !ok {
		return nil, false
	}
	merged[i] = v
	return merged, true
}

// splitIndexes splits "name[1][2]" into the name and the indexes.
func splitIndexes(key string) (name string, indexes []int, ok bool) {
	name = key
	for strings.HasSuffix(name, "]") {
		i := strings.LastIndexByte(name, '[')
		if i < 0 {
			break
		}
		digits := name[i+1 : len(name)-1]
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || digits[0] == '+' {
			break
		}
		indexes = append(indexes, int(n))
		name = name[:i]
	}
	slices.Reverse(indexes)
	return name, indexes, len(indexes) > 0
}

func join(where, key string) string {
	if where == "" {
		return key
	}
	return where + "." + key
}
