package flow

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// seeds adds recordings to what a fuzzer starts from.
func seeds(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/*.bin", "testdata/minimal/*.bin"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	for _, flow := range every(f) {
		f.Add(encoded(f, flow))
	}
}

// records yields the flows of a file, with parts as flows of their own.
func records(f *File) iter.Seq2[*Flow, error] {
	return func(yield func(*Flow, error) bool) {
		r := f.reader(window)
		for {
			flow, err := r.next()
			if err == io.EOF || !yield(flow, err) {
				return
			}
		}
	}
}

// FuzzReader reads files of strangers. Small steps give the same flows as large
// ones, and so does FlowAt.
func FuzzReader(f *testing.F) {
	seeds(f)
	f.Add([]byte("999999999999:"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if startsHAR(data) {
			t.Skip()
		}
		file := opened(t, data, Options{Streams: true})
		for flow := range records(file) {
			if isPart(flow) {
				t.Skip() // Flows joins them, see FuzzParts
			}
		}
		narrow := file.reader(16) // goes forth and back in every record
		for flow, err := range file.Flows() {
			other, oerr := narrow.next()
			if !reflect.DeepEqual(other, flow) || (oerr == nil) != (err == nil) || err != nil && errors.Unwrap(oerr).Error() != errors.Unwrap(err).Error() {
				t.Fatalf("in small steps it is %v and %v, not %v and %v", other, oerr, flow, err)
			}
			if err == nil {
				again, err := file.FlowAt(flow.Offset)
				if err != nil || !reflect.DeepEqual(again, flow) {
					t.Fatalf("flow at %d: %v", flow.Offset, err)
				}
				continue
			}
			bad := (*RecordError)(nil)
			if !errors.As(err, &bad) {
				t.Fatal(err)
			}
		}
	})
}

// FuzzParts reads recordings that may have broken off while sockets were open.
// No message is given twice, and FlowAt gives what Flows does.
func FuzzParts(f *testing.F) {
	r, err := Record(f.TempDir(), time.Unix(1700000000, 0), slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	for n := range 3 {
		r.Message(shaken(1), said(1, "one", n == 1))
		r.Message(shaken(2), said(2, "two", n == 1))
		r.Exchange(captured(n))
		data, err := os.ReadFile(r.Path())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	r.SocketEnd(ended(1))
	data, err := os.ReadFile(r.Path())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if startsHAR(data) {
			t.Skip()
		}
		file, err := Open(saved(t, "x", data))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		given, read := 0, 0
		for flow, err := range file.Flows() {
			if err != nil {
				continue
			}
			if flow.WebSocket != nil {
				given += len(flow.WebSocket.Messages)
			}
			if again, err := file.FlowAt(flow.Offset); err != nil || !reflect.DeepEqual(again, flow) {
				t.Fatalf("flow at %d: %v", flow.Offset, err)
			}
		}
		for flow := range records(file) {
			if flow != nil && flow.WebSocket != nil {
				read += len(flow.WebSocket.Messages)
			}
		}
		if given > read {
			t.Fatalf("%d messages of %d", given, read)
		}
	})
}

// FuzzCaptured writes what can be captured in both formats. Both can be read, and
// say the same.
func FuzzCaptured(f *testing.F) {
	f.Add("GET", "https", "a.test", "a.test:8443", "/a?b=c", "X-A", "v", "text/plain", []byte("body"), []byte("ok"), 200, "")
	f.Add("POST", "http", "::1", "[::1]", "*", "X Odd", "\xff\x00\r\n", "text/plain; charset=utf-16", []byte{0xff}, []byte("\xe9"), 206, "it broke")
	f.Add("HEAD", "https", "a", "", "/", "", "", "application/x-www-form-urlencoded", []byte("a=b&c"), []byte{}, 304, "")
	f.Fuzz(func(t *testing.T, method, scheme, host, authority, target, name, value, ct string, up, down []byte, status int, fault string) {
		if scheme != "https" {
			scheme = "http"
		}
		// What a request must have to be one.
		if !httpguts.ValidHeaderFieldName(method) || !plainHost(host) || authority != "" && !plainHost(authority) {
			t.Skip()
		}
		e := &capture.Entry{
			Start: time.Unix(1700000000, 0), Method: method, Scheme: scheme, Host: host, Port: 8443, Authority: authority, Target: target, Proto: "HTTP/1.1",
			RequestHeader: exchange.HeaderOf(name, value, "Content-Type", ct), RequestBody: capture.Blob{Size: int64(len(up)), Data: up},
			Status: min(max(status, 100), 999), ResponseHeader: exchange.HeaderOf(name, value, name, ct, "Content-Type", ct),
			ResponseBody: capture.Blob{Size: int64(len(down)), Data: down, Partial: fault != ""}, Error: fault,
		}
		if len(up) == 0 {
			e.RequestBody.Data = nil
		}
		flow := FromEntry(e, nil, nil, uuid.UUID{})
		got := all(t, opened(t, encoded(t, flow), Options{}).Flows())
		if len(got) != 1 || got[0].Request.Path != target || !bytes.Equal(got[0].Response.Body.Data, down) || !bytes.Equal(got[0].Request.Body.Data, up) {
			t.Fatalf("got %s", text(got[0]))
		}
		back := imported(t, exported(t, flow))
		if len(back) != 1 || back[0].Request.Method != method || back[0].Response == nil || back[0].Response.Status != flow.Response.Status || len(back[0].doubts) > 0 {
			t.Fatalf("%d flows from %s", len(back), exported(t, flow))
		}
		if !bytes.Equal(back[0].Response.Body.Data, down) || !bytes.Equal(back[0].Request.Body.Data, up) {
			t.Fatalf("got %q and %q from %s", back[0].Request.Body.Data, back[0].Response.Body.Data, exported(t, flow))
		}
	})
}

// plainHost reports whether a device can ask for a host. net/http takes more.
func plainHost(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "1"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || name == "" {
		return false
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}

// FuzzRoundTrip writes what could be read. From then on nothing changes.
func FuzzRoundTrip(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for flow, err := range opened(t, data, Options{}).Flows() {
			if err != nil {
				continue
			}
			// Writers make ids; once made they stay.
			first := all(t, opened(t, encoded(t, flow), Options{}).Flows())[0]
			once := encoded(t, first)
			second := all(t, opened(t, once, Options{}).Flows())[0]
			if twice := encoded(t, second); !bytes.Equal(once, twice) {
				t.Fatalf("%q is read and written as %q", once, twice)
			}
			if first.Request.Path != flow.Request.Path || !reflect.DeepEqual(first.Request.Header, flow.Request.Header) || !reflect.DeepEqual(first.Response == nil, flow.Response == nil) {
				t.Fatalf("got %s from %s", text(first), text(flow))
			}
			var out bytes.Buffer
			if err := WriteHAR(&out, each([]*Flow{flow}), "test"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzHAR imports what strangers may have written. What comes of it can be
// written in both ways.
func FuzzHAR(f *testing.F) {
	f.Add([]byte(`{"log":{"entries":[` + entry + `]}}`))
	f.Add(exported(f, every(f)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		for flow, err := range readHAR(bytes.NewReader(data), "x.har") {
			if err != nil {
				if bad := (*RecordError)(nil); !errors.As(err, &bad) {
					t.Fatal(err)
				}
				continue
			}
			got := all(t, opened(t, encoded(t, flow), Options{}).Flows())[0]
			if got.Request.Method != flow.Request.Method || got.Request.Path != flow.Request.Path {
				t.Fatalf("got %s from %s", text(got), text(flow))
			}
			if err := WriteHAR(io.Discard, each([]*Flow{flow}), "test"); err != nil {
				t.Fatal(err)
			}
		}
	})
}
