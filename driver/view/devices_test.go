package view

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/handshake"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
)

// newService makes a Service over exchanges of two devices with two hosts, and its methods.
func newService(t *testing.T) (*Service, func(name string, args ...any) (string, error)) {
	t.Helper()
	journal := capture.New(capture.Options{})
	sockets := capture.NewSockets(journal, capture.Options{})
	t.Cleanup(journal.Close)
	t.Cleanup(sockets.Close)
	s := New(Options{
		Journal: journal, Sockets: sockets, Handshakes: handshake.NewLog(), Table: mock.NewTable(),
		Mocks: func() bool { return true }, Address: func() (string, bool) { return "", false },
		Devices: map[netip.Addr]string{netip.MustParseAddr("10.0.0.8"): "meter"},
	})
	charger, meter := netip.MustParseAddrPort("10.0.0.7:5000"), netip.MustParseAddrPort("[::ffff:10.0.0.8]:6000")
	for _, e := range []capture.Entry{
		{Client: charger, Host: "b.test", Status: 200, Origin: exchange.FromServer},
		{Client: charger, Host: "a.test", Status: 503, Origin: exchange.FromServer},
		{Client: meter, Host: "a.test", Status: 404, Origin: exchange.FromMock},
		{Client: meter, Kind: capture.TLSError, SNI: "c.test", Error: "unknown ca"},
	} {
		e.Method, e.Start = http.MethodGet, time.Now()
		journal.Add(&e)
	}
	table := rpc.NewTable(slog.New(slog.DiscardHandler), s.Rows())
	return s, func(name string, args ...any) (string, error) {
		v, err := table.Call(t.Context(), name, args)
		text, _ := v.(string)
		return text, err
	}
}

// Exchanges are counted by host and by device, with the name that the device was given.
func TestCountCaptures(t *testing.T) {
	t.Parallel()
	_, call := newService(t)
	if text, err := call("name_device", "10.0.0.7", " charger-07 "); err != nil || text != "Device 10.0.0.7 is charger-07" {
		t.Fatalf("name_device: %q, %v", text, err)
	}
	const want = `{"hosts":[{"name":"a.test","count":2,"errors":1},{"name":"b.test","count":1,"errors":0},{"name":"c.test","count":1,"errors":1}],` +
		`"devices":[{"name":"10.0.0.7","title":"charger-07","count":2,"errors":1},{"name":"10.0.0.8","title":"meter","count":2,"errors":1}]}`
	if got, err := call("count_captures"); err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	for expr, want := range map[string]string{"~src ^charger": "1 2", "~src meter": "3 4", "~src 10.0.0.7": "1 2", "~src nobody": ""} {
		text, err := call("list_captures", expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := numbersIn(text); got != want {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
	for _, args := range [][]any{{"10.0.0", "x"}, {"10.0.0.7", "a\nb"}, {"10.0.0.7", strings.Repeat("x", 101)}} {
		if _, err := call("name_device", args...); err == nil {
			t.Errorf("name_device %q: got no error", args)
		}
	}
	call("name_device", "10.0.0.7", "")
	if got, _ := call("list_captures", "~src charger"); numbersIn(got) != "" {
		t.Error("a name that was taken away is still found")
	}
}

// numbersIn returns the numbers of the rows in an answer of list_captures.
func numbersIn(text string) string {
	var list struct{ Rows []struct{ Seq json.Number } }
	json.Unmarshal([]byte(text), &list)
	var all []string
	for _, r := range list.Rows {
		all = append(all, r.Seq.String())
	}
	return strings.Join(all, " ")
}

// Deleted exchanges are in no list until they are restored, and those who watch are told.
func TestDeleteCaptures(t *testing.T) {
	t.Parallel()
	s, call := newService(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	items, err := s.watch(ctx, "~d a.test", "", 4, s.cursor().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan any)
	go func() {
		for item, err := range items {
			if err == nil {
				told <- item
			}
		}
	}()
	next := func() string {
		t.Helper()
		select {
		case item := <-told:
			text, _ := rpc.JSON(item)
			return text
		case <-ctx.Done():
			t.Fatal("nobody is told")
			return ""
		}
	}
	if got, err := call("delete_captures", "[[2, 3], 99]"); err != nil || got != `{"count":2}` {
		t.Errorf("delete_captures: got %s, %v", got, err)
	}
	if got := next(); !strings.Contains(got, `"kind":"gone"`) || !strings.Contains(got, "[[2,3],[99,99]]") {
		t.Errorf("told %s", got)
	}
	if got, _ := call("list_captures", ""); numbersIn(got) != "1 4" {
		t.Errorf("got %q after deleting, want 1 4", numbersIn(got))
	}
	if _, err := call("get_capture", 2); err == nil {
		t.Error("a deleted exchange can be got")
	}
	if got, err := call("restore_captures", "[2]"); err != nil || got != `{"count":1}` {
		t.Errorf("restore_captures: got %s, %v", got, err)
	}
	if got := next(); !strings.Contains(got, `"seq":2,`) || !strings.Contains(got, `"update":true`) {
		t.Errorf("told %s", got)
	}
	if got, _ := call("list_captures", ""); numbersIn(got) != "1 2 4" {
		t.Errorf("got %q after restoring, want 1 2 4", numbersIn(got))
	}
	if _, err := call("delete_captures", "[x]"); err == nil {
		t.Error("delete_captures takes numbers that are none")
	}
}

// The names in the status of a session are kept, unless they are none.
func TestNamesInStatus(t *testing.T) {
	t.Parallel()
	got := namesIn([]byte(`{"devices": {"10.0.0.7": "charger", "10.0.0.8": "", "::1": "a\nb"}}`))
	if len(got) != 1 || got[netip.MustParseAddr("10.0.0.7")] != "charger" {
		t.Errorf("got %v, want the charger", got)
	}
	for _, text := range []string{"", "[]", `{"devices": {"x": "y"}}`, `{"devices": 1}`} {
		if got := namesIn([]byte(text)); len(got) != 0 {
			t.Errorf("%s: got %v, want none", text, got)
		}
	}
}
