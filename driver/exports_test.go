package driver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/driver/capture"
	"starproxy/driver/flow"
)

// TestSavingLosesNothing saves some of the captures, in the order of calls that
// every client has, and then all of them: a body is gone only if it was saved,
// and what is missing is told with the reason.
func TestSavingLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	body := func(path string) []byte { return bytes.Repeat([]byte{0, byte(len(path))}, 50<<10) }
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(body(r.URL.Path))
	}))
	defer real.Close()
	b.call("start", "passthrough")
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	for _, path := range []string{"/a", "/bb", "/bb", "/ccc"} {
		b.get(proxy, real.URL+path)
	}
	// flows are the bodies of a flow file by path.
	flows := func() map[string]int64 {
		t.Helper()
		f, err := flow.Open(b.write("out.bin", b.collect("export_captures", "flow")))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		sizes := map[string]int64{}
		for fl, err := range f.Flows() {
			if err != nil {
				t.Fatal(err)
			}
			sizes[fl.Request.Path] += fl.Response.Body.Size
		}
		return sizes
	}
	save := func(filter string, files int) {
		t.Helper()
		var x struct{ Files []string }
		if err := json.Unmarshal([]byte(b.call("export_captured_scenario", filter)), &x); err != nil || len(x.Files) != files {
			t.Errorf("%s: %q, %v; want %d files", filter, x.Files, err, files)
		}
	}
	const each = 100 << 10

	save("/none*", 0)
	b.want("Removed 0 spool file(s)", "clean_capture_spool")
	if got := flows(); got["/a"] != each || got["/bb"] != 2*each || got["/ccc"] != each {
		t.Errorf("after a save of nothing the flow file has %v", got)
	}
	b.want("[]", "missing_from_export", "flow")

	save("/bb", 1)
	b.want("Removed 2 spool file(s)", "clean_capture_spool")
	if got := flows(); got["/a"] != each || got["/bb"] != 0 || got["/ccc"] != each {
		t.Errorf("after a save of /bb the flow file has %v", got)
	}
	for _, format := range []string{"flow", "har"} {
		var missing []string
		if err := json.Unmarshal([]byte(b.call("missing_from_export", format)), &missing); err != nil {
			t.Fatal(err)
		}
		if len(missing) != 2 || !strings.HasPrefix(missing[0], `"GET `+real.URL+`/bb": the body of the response, 102400 bytes: it was removed from the exporter`) {
			t.Errorf("%s: missing %q", format, missing)
		}
	}
	b.want("[]", "missing_from_export", "flow", "/[ac]*")
	var x struct {
		LeftOut []string `json:"left_out"`
	}
	if err := json.Unmarshal([]byte(b.call("export_captured_scenario", "/bb")), &x); err != nil || len(x.LeftOut) != 2 || !strings.Contains(x.LeftOut[0], "it was removed from the exporter") {
		t.Errorf("left out %q, %v", x.LeftOut, err)
	}
	b.want("Removed 0 spool file(s)", "clean_capture_spool")

	// Without a save before it is a wish of its own.
	b.want("Removed 2 spool file(s)", "clean_capture_spool")
	if left, _ := filepath.Glob(filepath.Join(b.dir, "capture-spool", "*.bin")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestMissingForRoom tells that the budget on disk ended a body, and that a HAR
// document has no streams.
func TestMissingForRoom(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Capture.MaxSpoolBytes = 256 << 10 })
	real := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(bytes.Repeat([]byte{0}, map[bool]int{true: 1 << 20, false: 200 << 10}[r.URL.Path == "/giant"]))
	}))
	defer real.Close()
	b.call("start", "passthrough")
	proxy := &url.URL{Scheme: "http", Host: b.status()["proxy_address"].(string)}
	b.get(proxy, real.URL+"/first")
	b.get(proxy, real.URL+"/second")
	b.get(proxy, real.URL+"/giant")
	b.d.journal.Add(&capture.Entry{Kind: capture.TCP, Method: "TCP", Scheme: "tcp", Host: "mqtt.example", Port: 1883, Proto: capture.ProtoTCP})
	var missing []string
	if err := json.Unmarshal([]byte(b.call("missing_from_export", "har")), &missing); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"/first\": the body of the response, 204800 bytes: the room on disk was needed for newer bodies",
		"/second\": the body of the response, 204800 bytes: the room on disk was needed for newer bodies",
		"/giant\": the body of the response, 1048576 bytes: it was larger than what was left",
		"tcp://mqtt.example:1883\": a HAR document has no place for TCP streams",
	} {
		if i >= len(missing) || !strings.Contains(missing[i], want) {
			t.Errorf("line %d of %q, want %q", i, missing, want)
		}
	}
	const refusal = `missing_from_export: argument format: got "pdf", want har or flow`
	if _, err := b.d.Call(t.Context(), "missing_from_export", []any{"pdf"}); err == nil || !strings.HasPrefix(err.Error(), refusal) {
		t.Errorf("got %v, want %s", err, refusal)
	}
}
