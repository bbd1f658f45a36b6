package scenario

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/builtins/nearest"
	"starproxy/driver/document"
	"starproxy/driver/faultplan"
)

// faultKey is a key beside the kind of a fault. To add a key, add a row to faultKeys.
type faultKey struct {
	key   string
	kinds []string // that have the key
	plan  bool     // only in plans, not in the fault of an endpoint
	want  string   // the values, for messages
	read  func(d *faultplan.Do, n *yaml.Node) bool
}

// faultKeys returns the keys of faults.
func faultKeys() []faultKey {
	return []faultKey{
		{"after", []string{"reset", "close", "garbage", "stall", "truncate"}, false,
			"a number of bytes, 0 or more, or a share of the body such as 50%", func(d *faultplan.Do, n *yaml.Node) (ok bool) {
				d.After, ok = offset(n)
				return ok && d.After.Bytes >= 0
			}},
		{"for", []string{"stall"}, false, "a number of seconds, or text such as 1m30s, above 0",
			func(d *faultplan.Do, n *yaml.Node) (ok bool) {
				d.Hold, ok = seconds(n)
				return ok && d.Hold > 0
			}},
		{"bytes_per_second", []string{"drip"}, false, "a whole number, 1 or more", func(d *faultplan.Do, n *yaml.Node) bool {
			return whole(n, 1, maxCount, &d.Rate)
		}},
		{"byte", []string{"corrupt"}, false, "the number of a byte from 0, from the end below 0, or a share of the body such as 50%",
			func(d *faultplan.Do, n *yaml.Node) (ok bool) {
				if d.At, ok = offset(n); ok && d.At.IsZero() {
					d.At.Relative = true // the first byte, and not the default
				}
				return ok
			}},
		{"count", []string{"corrupt"}, false, "a whole number, 1 or more", func(d *faultplan.Do, n *yaml.Node) bool {
			return whole(n, 1, maxCount, &d.Count)
		}},
		{"by", []string{"wrong_length"}, false, "a whole number other than 0", func(d *faultplan.Do, n *yaml.Node) bool {
			return whole(n, -maxCount, maxCount, &d.By) && d.By != 0
		}},
		{"length", []string{"wrong_length"}, false, "a whole number, 1 or more", func(d *faultplan.Do, n *yaml.Node) bool {
			return whole(n, 1, maxCount, &d.Length)
		}},
		{"of", []string{"duplicate"}, false, "body or response", func(d *faultplan.Do, n *yaml.Node) bool {
			d.Whole = n.Value == "response"
			return n.Kind == yaml.ScalarNode && (d.Whole || n.Value == "body")
		}},
		{"connection", []string{"reset"}, true, "true or false", func(d *faultplan.Do, n *yaml.Node) bool {
			d.Stream = !document.Truth(n)
			return n.Tag == "!!bool"
		}},
		{"lost", []string{"reset", "close", "garbage", "stall"}, true, "request or answer", func(d *faultplan.Do, n *yaml.Node) bool {
			d.Lost = n.Value == "answer"
			return n.Kind == yaml.ScalarNode && (d.Lost || n.Value == "request")
		}},
		{"status", []string{faultplan.StatusKind, faultplan.LoopKind}, true,
			"a status from 200 to 599, or, of a redirect_loop, 301, 302, 303, 307 or 308", func(d *faultplan.Do, n *yaml.Node) bool {
				i := int64(0)
				ok := whole(n, 200, 599, &i)
				d.Status = int(i)
				return ok && (d.Kind != faultplan.LoopKind || slices.Contains(redirects(), d.Status))
			}},
		{"retry_after", []string{faultplan.StatusKind}, true, "a number of seconds, or a date as HTTP writes it",
			func(d *faultplan.Do, n *yaml.Node) bool {
				d.RetryAfter = n.Value
				_, err := http.ParseTime(n.Value)
				return n.Kind == yaml.ScalarNode && (err == nil || whole(n, 0, maxCount, new(int64)))
			}},
		{"body", []string{faultplan.StatusKind}, true, "text", func(d *faultplan.Do, n *yaml.Node) (ok bool) {
			d.Body, ok = document.ScalarText(n)
			return ok
		}},
		{"hops", []string{faultplan.LoopKind}, true, "a whole number, 1 or more", func(d *faultplan.Do, n *yaml.Node) bool {
			i := int64(0)
			ok := whole(n, 1, 1000, &i)
			d.Hops = int(i)
			return ok
		}},
	}
}

// redirects returns the statuses of a redirect_loop.
func redirects() []int { return []int{301, 302, 303, 307, 308} }

// maxCount bounds the numbers of faults and plans.
const maxCount = 1 << 40

// whole sets dst to the whole number n. It reports false for other values and for
// numbers out of bounds.
func whole(n *yaml.Node, least, most int64, dst *int64) bool {
	i, ok := document.Whole(n)
	if ok = ok && i >= least && i <= most; ok {
		*dst = i
	}
	return ok
}

// offset reads a place in a body: a number of bytes, or text such as "50%".
func offset(n *yaml.Node) (o exchange.Offset, ok bool) {
	if whole(n, -maxCount, maxCount, &o.Bytes) {
		return o, true
	}
	text, isShare := strings.CutSuffix(n.Value, "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if n.Kind != yaml.ScalarNode || !isShare || err != nil || !(share >= 0 && share <= 100) {
		return o, false
	}
	return exchange.Offset{Percent: share, Relative: true}, true
}

// seconds reads a time of 0 or more: a number of seconds, or text such as "1m30s".
func seconds(n *yaml.Node) (time.Duration, bool) {
	const most = 1e9 // seconds
	if s, ok := document.Float(n); ok {
		return time.Duration(s * float64(time.Second)), s >= 0 && s <= most
	}
	d, err := time.ParseDuration(n.Value)
	return d, n.Kind == yaml.ScalarNode && err == nil && d >= 0 && d <= most*time.Second
}

// readFault reads a fault: its kind, or a map with the kind and its keys. kinds are
// those that there are. The keys in more are left to the caller.
func readFault(n *yaml.Node, path string, kinds []string, plan bool, more ...string) (d faultplan.Do, err error) {
	kind := n
	if n.Kind == yaml.MappingNode {
		kind = document.Child(n, "kind")
	}
	list := strings.Join(kinds, ", ")
	if kind == nil {
		return d, document.Errorf(n, "%s: got no kind, want one of %s", path, list)
	}
	if kind.Kind != yaml.ScalarNode || !slices.Contains(kinds, kind.Value) {
		hint := ""
		if near := nearest.Name(kind.Value, kinds); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return d, document.Errorf(kind, "%s: got %s, want one of %s, or a map such as {kind: truncate, after: 100}%s", path,
			document.Describe(kind), list, hint)
	}
	d.Kind = kind.Value
	d.Stream = plan && d.Kind == "reset"
	if n.Kind != yaml.MappingNode {
		return d, nil
	}
	rows := slices.DeleteFunc(faultKeys(), func(row faultKey) bool { return row.plan && !plan })
	for k, v := range document.Pairs(n) {
		if isRemark(k.Value) || v.Tag == "!!null" || k.Value == "kind" || slices.Contains(more, k.Value) {
			continue
		}
		if err := readFaultKey(&d, k, v, path, rows, more); err != nil {
			return d, err
		}
	}
	return d, nil
}

// readFaultKey reads one key of a fault.
func readFaultKey(d *faultplan.Do, k, v *yaml.Node, path string, rows []faultKey, more []string) error {
	i := slices.IndexFunc(rows, func(row faultKey) bool { return row.key == k.Value })
	if i < 0 || !slices.Contains(rows[i].kinds, d.Kind) {
		known := append([]string{"kind"}, more...)
		for _, row := range rows {
			if slices.Contains(row.kinds, d.Kind) {
				known = append(known, row.key)
			}
		}
		if i >= 0 {
			return document.Errorf(k, "%s: %s does not go with the fault %s, want one of %s", path, k.Value, d.Kind,
				strings.Join(known, ", "))
		}
		return document.UnknownKey(k, path, known)
	}
	if !rows[i].read(d, v) {
		return document.Wrong(v, path+"."+k.Value, rows[i].want)
	}
	return nil
}
