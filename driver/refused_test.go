package driver

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"

	"starproxy/driver/view"
)

// garble sends the proxy bytes, closes its side and returns the answer.
func (b *bench) garble(addr, sent string) string {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, sent)
	c.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// TestRefused checks that a refused request is told everywhere, and taken for a
// request nowhere.
func TestRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.call("set_mock", "GET", "/api", 200, "{}")
	proxy := b.start()
	for _, sent := range []string{
		"GET /api HTTP/1.1\r\n\r\n",
		"GET /api\x1b[2J\\ HTTP/1.1\r\nHost: \xff\r\n\r\n",
		"CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n",
	} {
		if answer := b.garble(proxy.Host, sent); !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
			t.Errorf("%q: answered %q", sent, answer)
		}
	}
	b.get(proxy, "http://127.0.0.1:1/other")

	var list struct{ Rows []view.Row }
	if err := json.Unmarshal([]byte(b.call("list_captures", "~refused")), &list); err != nil || len(list.Rows) != 3 {
		t.Fatalf("%v, %+v", err, list)
	}
	r := list.Rows[0]
	if r.Kind != "refused" || r.Method != "GET" || r.Path != "/api" || r.Status != 0 || r.SentStatus != 400 || r.Error != "Host: got none, want one" ||
		r.Client == "" || r.Origin != "proxy" || r.Outcome != "" || r.Unmatched || r.Fault || r.Size != 0 {
		t.Errorf("got %+v", r)
	}

	// The stock client looks for a request among these by method and path.
	var events []struct{ Method, Path, Kind, Failure string }
	if err := json.Unmarshal([]byte(b.call("get_captured_requests")), &events); err != nil || len(events) != 4 {
		t.Fatalf("%v, %+v", err, events)
	}
	for _, e := range events[:3] {
		if e.Kind != "refused" || e.Method != "REFUSED" || e.Failure == "" {
			t.Errorf("got %+v", e)
		}
	}
	if e := events[3]; e.Kind != "http" || e.Method != "GET" || e.Path != "/other" {
		t.Errorf("got %+v", e)
	}
	for _, method := range []string{"GET", "CONNECT", "REFUSED"} {
		if got := b.call("wait_for_request", method, "/api", 0.01); !strings.Contains(got, "Timed out") {
			t.Errorf("%s: a refused request was waited for: %s", method, got)
		}
	}

	for seq, want := range []string{
		`GET /api HTTP/1.1\r\n` + "\n",
		`GET /api\x1b[2J\\ HTTP/1.1\r\n` + "\n" + `Host: \xff\r\n` + "\n",
		`CONNECT a.example HTTP/1.1\r\n` + "\n" + `Host: a.example\r\n` + "\n" + `\r\n` + "\n",
	} {
		var e struct {
			Came, Failure, Curl string
			Why                 any
			Sent                int `json:"sent_status"`
		}
		if err := json.Unmarshal([]byte(b.call("get_capture", float64(list.Rows[seq].Seq))), &e); err != nil {
			t.Fatal(err)
		}
		if e.Came != want || e.Failure != list.Rows[seq].Error || e.Sent != 400 || e.Curl != "" || e.Why != nil {
			t.Errorf("got %+v, want %q", e, want)
		}
	}

	// A flow of another request names the mock that comes nearest to it.
	for format, path := range map[string]string{"flow": "4:/api,", "har": "/api"} {
		if text := b.collect("export_captures", format); strings.Contains(text, path) || !strings.Contains(text, "/other") {
			t.Errorf("%s: got %.2000q", format, text)
		}
		b.want("[]", "missing_from_export", format)
	}
	if text := b.call("export_captured_scenario"); strings.Contains(text, "/api") || !strings.Contains(text, "/other") {
		t.Errorf("scenario: %s", text)
	}
	if m := b.metrics(); m.Refused != 3 || m.Requests["served"] != 0 || m.Requests["failed"] != 1 {
		t.Errorf("got %+v", m)
	}
}
