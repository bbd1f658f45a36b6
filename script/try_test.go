package script_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/call"
	"starproxy/builtins/exchange"
	"starproxy/builtins/state"
	"starproxy/script"
)

// tryIt tries a request against the function handle of a script.
func tryIt(t *testing.T, h *script.Host, src string, server *exchange.Response) (*script.Tried, *exchange.Exchange) {
	t.Helper()
	x := &exchange.Exchange{Request: &exchange.Request{Method: "GET", Scheme: "http", Host: "localhost", Target: "/"}}
	got := h.Try(context.Background(), script.Trial{Limit: 1 << 20, Server: server,
		Table: func(copied *script.Host) (exchange.Handler, error) {
			s, err := copied.LoadText("a.star", []byte(src))
			if err != nil {
				return nil, err
			}
			return copied.Handler(s.Globals["handle"])
		}}, x)
	return got, x
}

// TestTry checks that a request is tried on a copy: nothing of the host changes, nothing
// is sent, and nothing waits.
func TestTry(t *testing.T) {
	t.Parallel()
	store := state.New()
	store.Set("n", int64(1))
	h := script.New(script.Options{State: store, Deliver: func(context.Context, *call.Webhook) { t.Error("a webhook is sent") }})
	defer h.Close()
	began := time.Now()
	const src = `
def handle(req):
    sleep("20s")
    print("n was %d" % state.get("n"))
    state.set("n", 2)
    state.set("new", [counter("c")])
    webhook("http://localhost/hook", body = {"a": 1})
    later(lambda: state.clear(), delay = "5s")
    return response(201, {"ok": True})
`
	for range 2 { // the second one finds the counter and the state as the first one did
		got, x := tryIt(t, h, src, nil)
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		if got.Answer.Status != 201 || strings.TrimSpace(string(got.Answer.Body)) != `{"ok":true}` || got.Answer.Took != 20*time.Second {
			t.Errorf("got status %d, body %s, took %s", got.Answer.Status, got.Answer.Body, got.Answer.Took)
		}
		want := []state.Difference{{Key: "n", Before: int64(1), After: int64(2), Had: true, Has: true}, {Key: "new", After: []any{int64(1)}, Has: true}}
		if d := cmp.Diff(want, got.Changes); d != "" {
			t.Error(d)
		}
		if len(got.Webhooks) != 1 || got.Pending != 1 || got.Asked {
			t.Errorf("got %d webhooks, %d functions pending, asked %v", len(got.Webhooks), got.Pending, got.Asked)
		}
		if d := cmp.Diff([]exchange.Note{{Level: "info", Text: "n was 1"}}, x.Notes.List()); d != "" {
			t.Error(d)
		}
	}
	if v, _ := store.Get("n"); v != int64(1) || len(store.Keys()) != 1 || h.Pending() != 0 {
		t.Errorf("the host has changed: n is %v, keys %v, %d functions pending", v, store.Keys(), h.Pending())
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the trial took %s", took)
	}
}

// TestTryServer checks that the real server is never asked, and that another answer may
// take the place of its own.
func TestTryServer(t *testing.T) {
	t.Parallel()
	h := script.New(script.Options{})
	defer h.Close()
	got, _ := tryIt(t, h, "def handle(req): return None", nil)
	if got.Err != nil || got.Answer != nil || !got.Asked {
		t.Errorf("a request that is passed on: got answer %v, error %v, asked %v", got.Answer, got.Err, got.Asked)
	}
	const forwards = "def handle(req):\n    r = forward(req)\n    return r"
	got, x := tryIt(t, h, forwards, nil)
	var e *script.Error
	if !errors.As(got.Err, &e) || e.Pos.Line != 2 || !got.Asked || len(x.Notes.List()) != 1 {
		t.Errorf("forward() without a server: got error %v, asked %v, notes %v", got.Err, got.Asked, x.Notes.List())
	}
	got, _ = tryIt(t, h, forwards, &exchange.Response{Status: 203, Body: exchange.Bytes("theirs")})
	if got.Err != nil || got.Answer.Status != 203 || string(got.Answer.Body) != "theirs" || !got.Asked {
		t.Errorf("with an answer in the place of the server's: got %v, error %v", got.Answer, got.Err)
	}
}
