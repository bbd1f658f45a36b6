package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The lines below are what Python's j prints at 80 columns in UTC.
func TestLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, event, want string }{
		{"mocked",
			`{"timestamp": 1767225599.75, "method": "GET", "path": "/api/v1/status", "response_status": 200, "duration_ms": 12, "response_size": 345, "was_mocked": true}`,
			"  \x1b[90m23:59:59\x1b[0m \x1b[32m\x1b[1mGET    \x1b[0m /api/v1/status             \x1b[32m200\x1b[0m \x1b[90m   12ms\x1b[0m \x1b[90m   345 B\x1b[0m \x1b[32m[mocked]     \x1b[0m"},
		{"long path",
			`{"timestamp": 1767225600, "method": "DELETE", "path": "/a/very/long/path/that/does/not/fit/at/all?x=1", "response_status": 404, "duration_ms": 1234, "response_size": 1536, "was_mocked": false}`,
			"  \x1b[90m00:00:00\x1b[0m \x1b[31m\x1b[1mDELETE \x1b[0m /a/very/long/path/that/do… \x1b[33m404\x1b[0m \x1b[90m   1.2s\x1b[0m \x1b[90m  1.5 KB\x1b[0m \x1b[90m[passthrough]\x1b[0m"},
		{"no answer",
			`{"timestamp": 0, "method": "POST", "path": "/p", "response_status": 0, "duration_ms": 0, "response_size": 0}`,
			"  \x1b[90m--:--:--\x1b[0m \x1b[34m\x1b[1mPOST   \x1b[0m /p                         \x1b[90m  -\x1b[0m \x1b[90m      -\x1b[0m \x1b[90m     0 B\x1b[0m \x1b[90m[passthrough]\x1b[0m"},
		{"patched",
			`{"timestamp": 1, "method": "PATCH", "path": "/ü", "response_status": 503, "duration_ms": 999, "response_size": 5242880, "was_mocked": true, "was_patched": true}`,
			"  \x1b[90m00:00:01\x1b[0m \x1b[33m\x1b[1mPATCH  \x1b[0m /ü                         \x1b[31m\x1b[1m503\x1b[0m \x1b[90m  999ms\x1b[0m \x1b[90m  5.0 MB\x1b[0m \x1b[33m[patched]    \x1b[0m"},
		{"long method",
			`{"timestamp": 1, "method": "PROPFIND", "path": "/", "response_status": 302, "duration_ms": 61000, "response_size": 1023, "was_mocked": false}`,
			"  \x1b[90m00:00:01\x1b[0m \x1b[37m\x1b[1mPROPFIND\x1b[0m /                          \x1b[36m302\x1b[0m \x1b[90m  61.0s\x1b[0m \x1b[90m  1023 B\x1b[0m \x1b[90m[passthrough]\x1b[0m"},
		{"terabytes",
			`{"timestamp": 1, "method": "OPTIONS", "path": "/", "response_status": 101, "duration_ms": 3, "response_size": 3298534883328}`,
			"  \x1b[90m00:00:01\x1b[0m \x1b[36m\x1b[1mOPTIONS\x1b[0m /                          \x1b[37m101\x1b[0m \x1b[90m    3ms\x1b[0m \x1b[90m  3.0 TB\x1b[0m \x1b[90m[passthrough]\x1b[0m"},
		{"handshake", // ours alone
			`{"timestamp": 1, "kind": "tls_error", "method": "CONNECT", "path": "h:443", "alert": "unknown ca", "response_status": 0, "duration_ms": 3}`,
			"  \x1b[90m00:00:01\x1b[0m \x1b[37m\x1b[1mCONNECT\x1b[0m unknown ca: h                                   \x1b[31m[tls error]  \x1b[0m"},
		{"refused",
			`{"timestamp": 1, "kind": "refused", "method": "REFUSED", "path": "/x", "failure": "Host: got none, want one", "response_status": 0, "sent_status": 400}`,
			"  \x1b[90m00:00:01\x1b[0m \x1b[37m\x1b[1mREFUSED\x1b[0m Host: got none, want one: /x                    \x1b[31m[refused]    \x1b[0m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var e event
			if err := json.Unmarshal([]byte(test.event), &e); err != nil {
				t.Fatal(err)
			}
			if got := (lineFormat{palette: true, width: 80, zone: time.UTC}).line(e); got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
			plain := (lineFormat{width: 80, zone: time.UTC}).line(e)
			if strings.Contains(plain, "\x1b") {
				t.Errorf("colours where none are wanted: %q", plain)
			}
		})
	}
}

func TestLineOddities(t *testing.T) {
	t.Parallel()
	narrow := lineFormat{width: 10, zone: time.UTC}
	got := narrow.line(event{Method: "GET", Path: "/" + strings.Repeat("x", 100)})
	if want := "/" + strings.Repeat("x", 18) + "…"; !strings.Contains(got, " "+want+" ") {
		t.Errorf("narrow terminal: %q does not keep 20 columns for the path", got)
	}
	got = narrow.line(event{Method: "GET", Path: "/\x1b]0;gotcha\x07"})
	if strings.ContainsAny(got, "\x1b\x07") {
		t.Errorf("control characters reach the terminal: %q", got)
	}
}

func TestByteSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[float64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KB", 1048575: "1024.0 KB", 1048576: "1.0 MB",
		1 << 30: "1.0 GB", 1 << 40: "1.0 TB", 1 << 41: "2.0 TB",
	} {
		if got := byteSize(n); got != want {
			t.Errorf("byteSize(%v) = %q, want %q", n, got, want)
		}
	}
}

// The cause of a failure is legible in lines of 80 columns, and all of it in
// wide ones.
func TestLineTellsCause(t *testing.T) {
	t.Parallel()
	long := "api.volt.example/api/v1/chargers/42/sessions?since=2024-01-01"
	for _, test := range []struct {
		e      event
		narrow string // the line has it at 80 columns
		wide   string // and at 240
	}{
		{event{Kind: "tls_error", Path: "api.volt.example:443", Alert: "device does not trust the CA: most likely, since the device broke the TLS handshake off with an alert that can't be read"},
			"device does not trust the CA: api.volt.example ", "an alert that can't be read: api.volt.example "},
		{event{Kind: "tls_error", Path: "h:8443", Alert: "the CA certificate expired on 2020-01-01: the device refused the TLS handshake: tls: expired certificate"},
			"the CA certificate expired on 2020-01-01: h:84…", "expired certificate: h:8443"},
		{event{Kind: "tls_error", Path: "h:443", Alert: "the device closed the connection during the TLS handshake"}, "the device closed the connection during the TL", "handshake: h "},
		{event{Kind: "tcp", Path: "mq.example:8883", Failure: "mq.example:8883: dial tcp: lookup mq.example on 10.0.0.53:53: no such host"}, "no such host: mq.example:…", "53: no such host: mq.example:8883"},
		{event{Path: long, failed: "api.volt.example:80: dial tcp 10.0.0.9:80: connect: connection refused"}, "connection refused: api.v…", "connection refused: " + long},
		{event{Path: long, failed: "h:443: the server reset the connection in the middle of its answer"}, "the server reset the conn…", long},
		{event{Kind: "refused", Path: "h.example/a", Failure: "got both Transfer-Encoding and Content-Length, want one"},
			"got both Transfer-Encoding and Content-Length,", "and Content-Length, want one: h.example/a "},
		{event{Kind: "refused", Method: "REFUSED", Failure: "first line: got empty lines only"}, "REFUSED first line: got empty lines only  ", "got empty lines only  "},
		{event{Path: "h/x", failed: "gone"}, "gone: h/x", "gone: h/x"},
	} {
		for width, want := range map[int]string{80: test.narrow, 240: test.wide} {
			if got := (lineFormat{width: width, zone: time.UTC}).line(test.e); !strings.Contains(got, want) || len([]rune(got)) != width {
				t.Errorf("%d columns: got %q (%d), want %q in it", width, got, len([]rune(got)), want)
			}
		}
	}
}
