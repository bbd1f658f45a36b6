package capture

import (
	"reflect"
	"testing"

	"starproxy/builtins/exchange"
)

// Headers are told in the order and spelling in which they were sent, and Host
// where there is no line for it.
func TestEventHeaders(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	for name, c := range map[string]struct {
		header, list exchange.Header
		folded       map[string]any
	}{
		"as sent": {exchange.HeaderOf("X-B", "1", "hOST", "b.test", "accept", "*/*", "x-b", "2"), exchange.HeaderOf("X-B", "1", "hOST", "b.test", "accept", "*/*", "x-b", "2"),
			map[string]any{"X-B": "1, 2", "hOST": "b.test", "accept": "*/*"}},
		"no Host": {exchange.HeaderOf("x-b", "1", "accept", "\xe9"), exchange.HeaderOf("Host", "api.example.com", "x-b", "1", "accept", "é"),
			map[string]any{"Host": "api.example.com", "x-b": "1", "accept": "\ufffd"}},
		"none": {nil, exchange.HeaderOf("Host", "api.example.com"), map[string]any{"Host": "api.example.com"}},
	} {
		e := sample()
		e.RequestHeader = c.header
		e.ResponseHeader = exchange.HeaderOf("x-z", "1", "content-ENCODING", "identity", "X-Z", "2", "content-length", "17", "a", "3")
		j.Add(e)
		got := decodeEvent(t, j.Event(e))
		pairs := func(h exchange.Header) (list []any) {
			for _, f := range h {
				list = append(list, []any{f.Name, f.Value})
			}
			return list
		}
		for key, want := range map[string]any{"headers": c.folded, "headers_list": pairs(c.list), "response_headers_list": pairs(e.ResponseHeader),
			"response_headers": map[string]any{"x-z": "1, 2", "content-length": "17", "a": "3"}} {
			if !reflect.DeepEqual(got[key], want) {
				t.Errorf("%s: %s: got %v, want %v", name, key, got[key], want)
			}
		}
		if len(e.RequestHeader) != len(c.header) {
			t.Errorf("%s: the entry has %v", name, e.RequestHeader)
		}
	}
}
