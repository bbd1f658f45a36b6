package contract

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"starproxy/builtins/exchange"
)

// Whatever a device or a server sends, a check ends with breaches or without.
func FuzzCheck(f *testing.F) {
	for _, e := range exchanges {
		q, a := e.pair()
		f.Add(q.Method, q.Target, e.kind, e.body, a.Status, e.answerKind, e.answer)
	}
	var all []*Contract
	for _, name := range []string{"petstore.yaml", "vehicle31.yaml", "polymorph.yaml", "split/openapi.yaml"} {
		all = append(all, load(f, name))
	}
	f.Fuzz(func(t *testing.T, method, target, kind, body string, status int, answerKind, answer string) {
		for _, c := range all {
			q := &Request{Method: method, Target: target, Header: exchange.HeaderOf("Content-Type", kind, "Cookie", body), Body: Body{Data: []byte(body)}}
			r := c.Check(q, &Answer{Status: status, Header: exchange.HeaderOf("Content-Type", answerKind, "Location", answer), Body: Body{Data: []byte(answer)}})
			for _, b := range r.Breaches {
				if b.Text == "" || b.Place == "" {
					t.Errorf("got %+v, want a text and a place", b)
				}
			}
		}
	})
}

// A document is loaded or refused, and a scenario can be made of one that is loaded.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"petstore.yaml", "vehicle31.yaml", "polymorph.yaml"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(awkward)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse(text, nil, Options{})
		if err != nil || len(c.Operations) > 50 {
			return
		}
		if _, err := c.Sample("a.yaml", 1); err != nil {
			t.Error(err)
		}
	})
}

// A schema that requires itself several times has no end: what is made of it has one.
func TestEndlessSchema(t *testing.T) {
	t.Parallel()
	c, err := parse(`openapi: 3.0.0
paths:
  /a: {get: {responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/N'}}}}}}}
components: {schemas: {N: {type: object, required: [a, b, c], properties: {a: {$ref: '#/components/schemas/N'}, b: {$ref: '#/components/schemas/N'}, c: {$ref: '#/components/schemas/N'}}}}}
`, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	s, err := c.Sample("a.yaml", 1)
	if err != nil || len(s.Notes) != 1 {
		t.Errorf("got %v and %v, want one note", s, err)
	}
	t.Log(time.Since(begin))
}

// BenchmarkHandler is the cost of the handler where no contract rejects.
func BenchmarkHandler(b *testing.B) {
	res := exchange.Text(200, "ok")
	next := exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return res, nil })
	h := new(Table).Handler(next)
	x := &exchange.Exchange{Request: &exchange.Request{Method: "GET"}, Client: netip.AddrPort{}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Respond(b.Context(), x); err != nil {
			b.Fatal(err)
		}
	}
}
