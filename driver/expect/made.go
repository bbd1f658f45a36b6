package expect

import (
	"strings"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// Made checks the requests of a script's test. It is a [call.Expecter].
func Made(expectations []byte, made []*call.Made) (failures string, err error) {
	l, err := Read("expectations.json", expectations)
	if err != nil {
		return "", err
	}
	entries := make([]*capture.Entry, len(made))
	for i, m := range made {
		r := m.Request
		e := &capture.Entry{
			Seq: uint64(i + 1), Start: m.Start, Duration: m.Took, Answered: m.Took,
			Method: r.Method, Scheme: r.Scheme, Host: r.Host, Port: r.Port, Target: r.Target, Proto: r.Proto, Authority: r.Authority,
			RequestHeader: r.Header, RequestBody: capture.Blob{Size: int64(len(m.Body)), Data: m.Body},
			Status: m.Status, ResponseHeader: m.Header, Endpoint: m.Endpoint, Unmatched: m.Endpoint == "",
			Error: m.Fault, ResponseBody: capture.Blob{Size: int64(m.Sent), Partial: m.Fault != ""},
		}
		if m.Endpoint != "" {
			e.Origin = exchange.FromMock
		}
		entries[i] = e
	}
	r, err := l.Check(entries, nil)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(r.Text(), "\n"), nil
}
