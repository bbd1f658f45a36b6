package interop

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"starproxy/driver/bundle"
)

// TestPacketCapture saves a session as a packet capture, and reads it with tshark,
// without keys.
func TestPacketCapture(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	tshark := program(t, "tshark")
	curl := program(t, "curl")
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, strings.Repeat("real ", 50_000))
			w.Header().Set("X-Sum", "7")
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		c.SetReadLimit(1 << 20)
		_, data, _ := c.Read(r.Context())
		c.Write(r.Context(), websocket.MessageBinary, data)
		c.Read(r.Context())
	}))
	t.Cleanup(plain.Close)
	b := ours(t, `      mocks:
        GET /x: {body: {from: mock}}
        POST /x: {status: 201, body: {from: post}}
        GET /slow: {body: {from: slow}, latency_ms: 300}
`, "--start", "mock")
	ca := strings.TrimSpace(strings.TrimPrefix(b.mustJ(t, b.dir, "proxy", "cert", "ca.pem"), "CA certificate written to: "))
	for _, args := range []string{
		"http://no-such-host.invalid/x", "-I http://no-such-host.invalid/x", "--http2 https://no-such-host.invalid/x",
		`--http2 -H content-type:application/json -d {"a":7} https://no-such-host.invalid:9443/x https://no-such-host.invalid:9443/x`,
		"--http1.1 https://no-such-host.invalid/x", "http://no-such-host.invalid/nothing",
		"--parallel --http2 https://no-such-host.invalid/slow https://no-such-host.invalid/slow https://no-such-host.invalid/slow",
		plain.URL + "/real?token=tok-bundled-0815 -H X-Copy:tok-bundled-0815", "--compressed " + plain.URL + "/real",
	} {
		argv := []string{curl, "-sS", "--max-time", "60", "-x", fmt.Sprintf("http://127.0.0.1:%d", b.port), "--noproxy", "", "--cacert", ca}
		argv = append(argv, strings.Fields(args)...)
		if out := run(t, b.dir, environ(nil), argv...); out.code != 0 {
			t.Fatalf("curl: %s", out)
		}
	}
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(plain.URL, "http", "ws", 1)+"/socket",
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: b.transport(false)}})
	if err != nil {
		t.Fatal(err)
	}
	ws.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat("hello ", 20_000)))
	ws.SetReadLimit(1 << 20)
	ws.Read(t.Context())
	ws.Close(websocket.StatusNormalClosure, "done")
	b.awaitCaptures(t, 13)

	if out := b.mustJ(t, b.dir, "proxy", "capture", "save", "--pcapng", "s.pcapng"); !strings.Contains(out, "Packet capture written to: ") {
		t.Errorf("capture save: got %s", out)
	}
	file := "s.pcapng"
	show := func(filter string, fields ...string) []string {
		t.Helper()
		argv := strings.Fields("-n -r " + file + " -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -T fields -Y")
		argv = append([]string{tshark}, append(argv, filter)...)
		for _, f := range fields {
			argv = append(argv, "-e", f)
		}
		out := run(t, b.dir, environ(nil), argv...)
		if out.code != 0 {
			t.Fatalf("tshark: %s", out)
		}
		lines := strings.Split(strings.TrimSuffix(out.stdout, "\n"), "\n")
		if len(lines) == 1 && lines[0] == "" {
			return nil
		}
		return lines
	}
	faults := "_ws.malformed || _ws.expert.severity >= 0x800000 || tcp.analysis.flags || tcp.checksum.status == 0"
	if bad := show(faults, "frame.number", "_ws.expert.message"); len(bad) > 0 {
		t.Errorf("tshark finds faults in %d packets: %q", len(bad), bad[:min(len(bad), 10)])
	}
	requests := show("http.request", "http.request.method", "http.request.full_uri")
	slices.Sort(requests)
	origin := plain.URL
	want := []string{
		"GET\t" + origin + "/real", "GET\t" + origin + "/real?token=tok-bundled-0815", "GET\t" + origin + "/socket",
		"GET\thttp://no-such-host.invalid/nothing", "GET\thttp://no-such-host.invalid/slow", "GET\thttp://no-such-host.invalid/slow",
		"GET\thttp://no-such-host.invalid/slow", "GET\thttp://no-such-host.invalid/x", "GET\thttp://no-such-host.invalid/x",
		"GET\thttp://no-such-host.invalid/x", "HEAD\thttp://no-such-host.invalid/x", "POST\thttp://no-such-host.invalid:9443/x",
		"POST\thttp://no-such-host.invalid:9443/x",
	}
	if !slices.Equal(requests, want) {
		t.Errorf("tshark shows the requests\n%s\nwant\n%s", strings.Join(requests, "\n"), strings.Join(want, "\n"))
	}
	for filter, n := range map[string]int{
		`http.response.code == 201`: 2, `http.response.code == 200 && http.request_in`: 9, `websocket.opcode == 1`: 1,
		`websocket.opcode == 2`: 1, `websocket.opcode == 8`: 1, `frame.comment contains "endpoint GET /x"`: 4,
		`frame.comment contains "decrypted"`: 6, `tcp.flags.reset == 1 && frame.comment contains "no such host"`: 1,
	} {
		if got := show(filter, "frame.number", "frame.comment"); len(got) != n {
			t.Errorf("%s: tshark shows %d packets, want %d: %q", filter, len(got), n, got)
		}
	}

	// The capture in a bundle has the same exchanges, with secrets masked.
	b.mustJ(t, b.dir, "proxy", "bundle", "save", "s.zip")
	s, err := bundle.Open(filepath.Join(b.dir, "s.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	data, err := s.Read(bundle.PCAPNG)
	if err != nil {
		t.Fatal(err)
	}
	file = "bundled.pcapng"
	write(t, filepath.Join(b.dir, file), string(data))
	if bad := show(faults, "frame.number", "_ws.expert.message"); len(bad) > 0 {
		t.Errorf("tshark finds faults in %d packets of a bundle: %q", len(bad), bad[:min(len(bad), 10)])
	}
	if n := len(show("http.request", "http.request.method")); n != len(want) {
		t.Errorf("tshark shows %d requests of a bundle, want %d", n, len(want))
	}
	if n := len(show(`http contains "tok-bundled-0815" || frame.comment contains "tok-bundled-0815"`, "frame.number")); n > 0 {
		t.Errorf("tshark shows a secret of a bundle in %d packets", n)
	}
	if n := len(show(`http.request.uri contains "token=MASKED-"`, "frame.number")); n != 1 {
		t.Errorf("tshark shows %d requests with a placeholder, want 1", n)
	}
}
