package cli

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"starproxy/driver/exporter"
	"starproxy/driver/hold"
	"starproxy/driver/network"
	"starproxy/driver/tlsfault"
	"starproxy/script"
)

// knownWords looks up the words that flags and arguments can be beside those of the grammar. A
// flag or argument names their kind in the tag "completion".
type knownWords struct{ proxy }

// valuesOf lists what a flag or argument can be: its words, else files, unless it is a number.
// before are the arguments before it.
func (k knownWords) valuesOf(ctx context.Context, v *kong.Value, before []string, prefix string) []string {
	var found []string
	switch kind := v.Tag.Get("completion"); {
	case kind != "":
		found = k.of(ctx, kind, before)
	case v.Enum != "":
		found = strings.Split(v.Enum, ",")
	case isNumber(v.Target.Type()):
	default:
		return []string{filesWanted}
	}
	if slices.Equal(found, []string{filesWanted}) {
		return found
	}
	var fitting []string
	for _, word := range found {
		if word != "" && strings.HasPrefix(word, prefix) {
			fitting = append(fitting, word)
		}
	}
	return fitting
}

// isNumber reports whether a flag of a type, or of a pointer to it, takes a number.
func isNumber(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64
}

// of lists the words of a kind, a description behind a tab. Nobody is told why there are none.
func (k knownWords) of(ctx context.Context, kind string, before []string) []string {
	switch kind {
	case "exporters":
		return exporter.Names()
	case "topics":
		return topics()
	case "networks":
		return listed(network.Presets(), func(p network.Profile) string { return p.Name })
	case "tlsfaults":
		return listed(tlsfault.Kinds(), func(i tlsfault.Info) string { return string(i.Kind) + "\t" + i.Doc })
	}
	if k.caller == nil {
		return nil
	}
	switch kind {
	case "flows":
		return lookUp(ctx, k, "list_flow_files", func(f flowFile) string { return f.Name })
	case "scenarios":
		return lookUp(ctx, k, "list_scenarios", func(s struct{ Name string }) string { return s.Name })
	case "plans":
		return lookUp(ctx, k, "list_fault_plans", func(f faultPlan) string { return f.Name + "\t" + f.Fault })
	case "held":
		return lookUp(ctx, k, "list_held", func(h hold.Row) string { return fmt.Sprintf("%d\t%s %s %s", h.ID, h.Side, h.Method, h.URL) })
	case "state":
		return k.keys(ctx, "get_all_state")
	case "named":
		return k.named(ctx, before)
	case "captures":
		return k.captures(ctx)
	case "endpoint", "endpoint file":
		return k.endpoint(ctx, kind, before)
	}
	return nil
}

// listed returns the word of each item.
func listed[T any](items []T, word func(T) string) (words []string) {
	for _, item := range items {
		words = append(words, word(item))
	}
	return words
}

// lookUp returns the word of each item that a method lists.
func lookUp[T any](ctx context.Context, k knownWords, method string, word func(T) string) []string {
	var items []T
	if k.document(ctx, &items, method) != nil {
		return nil
	}
	return listed(items, word)
}

// keys returns the keys of the object that a method answers with.
func (k knownWords) keys(ctx context.Context, method string) []string {
	var object map[string]any
	if k.document(ctx, &object, method) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(object))
}

// named returns the named scenarios, or behind the name of one its states.
func (k knownWords) named(ctx context.Context, before []string) []string {
	if len(before) == 0 {
		return k.keys(ctx, "list_scenario_states")
	}
	var all map[string]struct {
		States []string `json:"states"`
	}
	if k.document(ctx, &all, "list_scenario_states") != nil {
		return nil
	}
	return all[before[0]].States
}

// offeredCaptures is how many captured requests are offered, the last ones first.
const offeredCaptures = 20

// captures returns the numbers of the last captured requests.
func (k knownWords) captures(ctx context.Context) []string {
	var list struct {
		Rows []requestRow `json:"rows"`
	}
	if k.document(ctx, &list, "list_captures", "", "", 0, offeredCaptures) != nil {
		return nil
	}
	slices.Reverse(list.Rows)
	return listed(list.Rows, func(r requestRow) string {
		return fmt.Sprintf("%d\t%s %s", r.Seq, printable(r.Method), whereTo(r.host(), r.Path, minPath*2))
	})
}

// endpoint returns the methods of the endpoints, then the paths of those with the method, and
// files where a file follows.
func (k knownWords) endpoint(ctx context.Context, kind string, before []string) []string {
	if len(before) > 1 {
		if kind == "endpoint file" {
			return []string{filesWanted}
		}
		return nil
	}
	rows, err := k.endpoints(ctx)
	if err != nil {
		return nil
	}
	var words []string
	for _, r := range rows {
		method, path, _ := strings.Cut(r.Key, " ")
		switch {
		case len(before) == 0:
			words = append(words, method)
		case strings.EqualFold(before[0], method) && strconv.Quote(path) == `"`+path+`"`:
			words = append(words, path)
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// topics returns the names that "script doc" knows.
func topics() []string {
	sections, err := script.Reference()
	if err != nil {
		return nil
	}
	var words []string
	for _, s := range sections {
		if s.Name != "" && !strings.Contains(s.Name, " ") {
			words = append(words, strings.TrimPrefix(s.Name, "@stdlib//"))
		}
		for _, e := range s.Entries {
			words = append(words, e.Name)
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}
