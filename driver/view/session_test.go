package view

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/flow"
)

// flowsOf yields flows, and an unreadable record after them.
func flowsOf(list ...*flow.Flow) func(func(*flow.Flow, error) bool) {
	return func(yield func(*flow.Flow, error) bool) {
		for _, f := range list {
			if !yield(f, nil) {
				return
			}
		}
		yield(nil, &flow.RecordError{Path: "x.bin", Err: errors.New("broken")})
	}
}

func sessionFlows() []*flow.Flow {
	start := time.Unix(1700000000, 0)
	get := &capture.Entry{Start: start, Duration: time.Second, Method: "GET", Scheme: "http", Host: "a.test", Port: 80, Target: "/x", Proto: "HTTP/1.1", Authority: "a.test", Status: 501,
		Origin: exchange.FromProxy, Unmatched: true, RequestHeader: exchange.HeaderOf("Host", "a.test"), ResponseBody: capture.Blob{Size: 2, Data: []byte("no")}}
	ws := *get
	ws.Status, ws.Origin, ws.Unmatched, ws.Target = http.StatusSwitchingProtocols, exchange.FromMock, false, "/ws"
	ws.RequestHeader = exchange.HeaderOf("Host", "a.test", "Upgrade", "websocket")
	end := ws
	end.Kind, end.Duration, end.CloseCode = capture.SocketEnd, time.Minute, 1001
	missed := flow.FromEntry(get, nil, nil, uuid.UUID{1})
	missed.Metadata[missesKey] = []any{[]any{"GET /y", "m.yaml:2", "path: got /x, want /y"}}
	missed.Marked, missed.Comment = ":large_blue_circle:", "odd"
	return []*flow.Flow{missed, flow.FromEntry(&ws, []flow.Message{{FromClient: true, Data: []byte("hi"), Time: start}}, &end, uuid.UUID{1})}
}

// A session shows what its flows have, by the methods that the page calls.
func TestSession(t *testing.T) {
	t.Parallel()
	s, err := NewSession(flowsOf(sessionFlows()...), Known{Name: "x.bin", TLS: []byte(`{"hosts":[{"host":"h"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	table := s.Table(slog.New(slog.DiscardHandler))
	call := func(name string, args ...any) string {
		t.Helper()
		v, err := table.Call(t.Context(), name, args)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v.(string)
	}
	var list struct{ Rows []Row }
	json.Unmarshal([]byte(call("list_captures", "~marker blue & ~comment odd")), &list)
	if len(list.Rows) != 1 || list.Rows[0].Mark != "blue" || !list.Rows[0].Unmatched || list.Rows[0].Duration != 1000 {
		t.Errorf("got %+v, want the one with a mark", list.Rows)
	}
	json.Unmarshal([]byte(call("list_captures", "~bq hi")), &list)
	if len(list.Rows) != 1 || list.Rows[0].Open || list.Rows[0].Duration != 60000 {
		t.Errorf("got %+v, want the WebSocket, which lasted a minute", list.Rows)
	}
	var detail struct {
		Why struct{ Misses []miss }
	}
	json.Unmarshal([]byte(call("get_capture", 1)), &detail)
	if m := detail.Why.Misses; len(m) != 1 || m[0].Endpoint != "GET /y" || m[0].Source != "m.yaml:2" || !slices.Equal(m[0].Why, []string{"path: got /x, want /y"}) {
		t.Errorf("got the misses %+v, want that of the flow", detail.Why.Misses)
	}
	var status struct {
		ReadOnly bool `json:"read_only"`
		Views    []string
		Session  map[string]any
	}
	json.Unmarshal([]byte(call("status")), &status)
	if !status.ReadOnly || !slices.Equal(status.Views, []string{"traffic", "figures", "tls", "control"}) || status.Session["unreadable records"] == nil {
		t.Errorf("got the status %+v, want one that is read only, with handshakes and an unreadable record", status)
	}
	for _, name := range []string{"annotate_capture", "resend_request", "clear_captured_requests", "start"} {
		if _, err := table.Call(t.Context(), name, nil); err == nil {
			t.Errorf("%s can be called, want only methods that change nothing", name)
		}
	}
	for expr, want := range map[string]string{"": `"matched":2`, "~websocket": `"matched":1`, "~m PUT": `"matched":0`} {
		if got := call("list_captures", expr, "", 0, 1, true); !strings.Contains(got, want) || !strings.Contains(got, `"total":2`) {
			t.Errorf("list_captures %q, counted: got %s, want %s of 2", expr, got, want)
		}
	}
	if got := call("list_captures", "", "", 0, 1); strings.Contains(got, "matched") || strings.Count(got, `"seq"`) != 1 {
		t.Errorf("list_captures, not counted: got %s", got)
	}
}

// Describe writes what a session reads.
func TestDescribe(t *testing.T) {
	t.Parallel()
	s, err := NewSession(flowsOf(sessionFlows()...), Known{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e, _ := s.Journal.Get(1)
	f := flow.FromEntry(e, nil, nil, uuid.UUID{1})
	s.Describe(f, e)
	if got := missesOf(f); len(got) != 1 || got[0].Endpoint != "GET /y" || f.Marked != ":large_blue_circle:" || f.Comment != "odd" {
		t.Errorf("got %+v %q %q, want what the flow had", got, f.Marked, f.Comment)
	}
}

// The budget of a record is spent on the newest exchanges; what it lacks is told.
func TestRecordsBudget(t *testing.T) {
	t.Parallel()
	flows := sessionFlows()[:1]
	flows = append(flows, flows[0], flows[0])
	s, err := NewSession(flowsOf(flows...), Known{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []string
	for r, err := range s.Records(t.Context(), Budget{All: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(r.ResponseData))
		if r.Short != (string(r.ResponseData) != "no") {
			t.Errorf("exchange %d: got short %v with the body %q", r.Row.Seq, r.Short, r.ResponseData)
		}
	}
	if want := []string{"no", "n", ""}; !slices.Equal(got, want) {
		t.Errorf("got the bodies %q, want %q: the newest first", got, want)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	if got := Events([]byte("{\"kind\":\"a\"}\n\nno\n[1]\n {\"kind\":\"b\"} \r\n{")); len(got) != 2 || string(got[1]) != `{"kind":"b"}` {
		t.Errorf("got %s, want two events", got)
	}
}
