package filter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// Without messages and notes, WebSockets have no messages and entries no marks.
func TestFilterOfEntriesAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		expr, entry string
		want        bool
	}{
		{"~b tick", "socket", false},
		{"~marked", "patch", false},
		{"~comment .", "patch", false},
		{"~b password", "login", true},
	} {
		if got := parse(t, tt.expr).Filter(nil, nil)(entries()[tt.entry]); got != tt.want {
			t.Errorf("%s, %s: %v, want %v", tt.expr, tt.entry, got, tt.want)
		}
	}
}

func TestFilterOfEverything(t *testing.T) {
	t.Parallel()
	if f := parse(t, "").Filter(socketMessages, marks{}); f != nil {
		t.Error("the empty expression has a filter, want nil")
	}
}

// The end of a socket has all its messages, a message has its own text.
func TestMessages(t *testing.T) {
	t.Parallel()
	f := parse(t, "~bs tick").Filter(socketMessages, nil)
	for _, tt := range []struct {
		name  string
		entry capture.Entry
		want  bool
	}{
		{"end of a socket", capture.Entry{Kind: capture.SocketEnd, Socket: 7, Status: 101}, true},
		{"end of another", capture.Entry{Kind: capture.SocketEnd, Socket: 8, Status: 101}, false},
		{"message of the server", capture.Entry{Kind: capture.Message, ResponseBody: blob("tick")}, true},
		{"message of the device", capture.Entry{Kind: capture.Message, FromClient: true, RequestBody: blob("tick")}, false},
	} {
		if got := f(&tt.entry); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxSearched) + "needle"
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("head needle tail"), 0o600); err != nil {
		t.Fatal(err)
	}
	gz := exchange.HeaderOf("Content-Encoding", "gzip")
	for _, tt := range []struct {
		name string
		h    exchange.Header
		b    capture.Blob
		want bool
	}{
		{"file", nil, capture.Blob{Path: file, Size: 16}, true},
		{"section", nil, capture.Blob{Path: file, Off: 8, Size: 8}, false},
		{"file that is gone", nil, capture.Blob{Path: file + "x", Size: 16}, false},
		{"not kept", nil, capture.Blob{Size: 16, Truncated: true}, false},
		{"not in the encoding it claims", gz, blob("a NEEDLE"), true},
		{"broken off", gz, capture.Blob{Size: 40, Data: zipped("needle" + strings.Repeat("q", 200)).Data[:20]}, true},
		{"beyond the bound", nil, blob(long), false},
		{"within", nil, blob(long[6:]), true},
		{"beyond, packed", gz, zipped(long), false},
		{"in UTF-16", exchange.HeaderOf("Content-Type", "text/plain; charset=utf-16"), blob("n\x00e\x00e\x00d\x00l\x00e\x00"), true},
		{"in UTF-16 by its mark", exchange.HeaderOf("Content-Type", "text/plain"), blob("\xfe\xff\x00n\x00e\x00e\x00d\x00l\x00e"), true},
		{"unknown encoding", exchange.HeaderOf("Content-Encoding", "odd"), blob("needle"), true},
	} {
		for _, expr := range []string{"~bs needle", "~bs nee[d]le", "~b needle"} {
			if tt.b.Size > maxSearched/2 && strings.Contains(expr, "[") {
				continue // slow with the race detector
			}
			e := &capture.Entry{Status: 200, ResponseHeader: tt.h, ResponseBody: tt.b}
			if got := parse(t, expr).Filter(nil, nil)(e); got != tt.want {
				t.Errorf("%s: %s: %v, want %v", tt.name, expr, got, tt.want)
			}
		}
	}
}

// Cheap parts are evaluated first, whatever the order in the expression.
func TestCheapFirst(t *testing.T) {
	t.Parallel()
	asked := 0
	messages := func(uint64, func(*capture.Entry) bool) { asked++ }
	socket := entries()["socket"]
	for _, tt := range []struct {
		expr string
		want int
	}{
		{"~b x & ~c 200", 0},
		{"~b x ~tls", 0},
		{"!(~b x | ~s)", 0},
		{"!~b x & (~h x & ~m POST)", 0},
		{"~b x | ~h upgrade", 0},
		{"~bq a | ~bs b | ~b c", 3},
	} {
		asked = 0
		parse(t, tt.expr).Filter(messages, nil)(socket)
		if asked != tt.want {
			t.Errorf("%s: asked for messages %d times, want %d", tt.expr, asked, tt.want)
		}
	}
}
