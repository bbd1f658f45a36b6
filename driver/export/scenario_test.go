package export

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/capture"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// captured makes an entry of a GET that was answered after ms milliseconds.
func captured(ms int, target, contentType, body string) *capture.Entry {
	e := &capture.Entry{
		Start: time.Unix(1700000000, 0).Add(time.Duration(ms) * time.Millisecond), Method: "GET", Scheme: "https",
		Host: "api.example.com", Port: 443, Target: target, Status: 200, Origin: exchange.FromServer,
		ResponseHeader: exchange.HeaderOf("Date", "today", "Server", "s"),
		ResponseBody:   capture.Blob{Size: int64(len(body)), Data: []byte(body)},
	}
	if contentType != "" {
		e.ResponseHeader.Set("Content-Type", contentType)
	}
	return e
}

// with changes an entry.
func with(e *capture.Entry, change func(*capture.Entry)) *capture.Entry {
	change(e)
	return e
}

// replay exports entries, loads what came out, and asks for each of them again
// at its time.
func replay(t *testing.T, entries []*capture.Entry, timed bool) *Document {
	t.Helper()
	dir := t.TempDir()
	x, err := Scenario(entries, Options{FilesDir: dir, Timed: timed})
	if err != nil {
		t.Fatal(err)
	}
	now := clock.Frozen(time.Unix(0, 0))
	host := script.New(script.Options{Clock: now})
	defer host.Close()
	var log scenario.Warnings
	s, err := scenario.Parse("scenario.yaml", []byte(x.YAML), scenario.Env{FilesDir: dir, Script: host, Log: slog.New(&log)})
	if err != nil {
		t.Fatalf("%v in\n%s", err, x.YAML)
	}
	for _, w := range log {
		t.Errorf("an exported scenario is warned about: %s in\n%s", w, x.YAML)
	}
	table := mock.NewTable()
	table.ReplaceAll(s.Endpoints)
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b *capture.Entry) int { return a.Start.Compare(b.Start) })
	for i, e := range entries {
		if timed {
			now.Set(e.Start, true)
		}
		req := &exchange.Request{Method: e.Method, Scheme: e.Scheme, Host: e.Host, Port: e.Port, Target: e.Target}
		res, body := ask(t, table, req)
		if res == nil {
			t.Fatalf("request %d, %s: no endpoint in\n%s", i, e.URL(), x.YAML)
		}
		want, _, err := capture.Decoded(e.ResponseHeader, e.ResponseBody, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if res.Status != e.Status || body != string(want) {
			t.Errorf("request %d, %s: %d %.100q, want %d %.100q, by\n%s", i, e.URL(), res.Status, body, e.Status, want, x.YAML)
		}
		for _, name := range e.ResponseHeader.Names() {
			got, values := res.Header.Values(name), e.ResponseHeader.Values(name)
			if name != "Date" && name != "Server" && name != "Content-Encoding" && !slices.Equal(got, values) {
				t.Errorf("request %d, %s: header %s is %q, want %q", i, e.URL(), name, got, values)
			}
		}
	}
	checkFiles(t, x, dir)
	return x
}

// checkFiles compares the list of files with the disk.
func checkFiles(t *testing.T, x *Document, dir string) {
	t.Helper()
	var found []string
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			found = append(found, filepath.ToSlash(rel))
		}
		return err
	})
	list := slices.Clone(x.Files)
	slices.Sort(list)
	slices.Sort(found)
	if !slices.Equal(list, found) {
		t.Errorf("files %v, on disk %v", list, found)
	}
	for _, name := range list {
		if !strings.Contains(x.YAML, name) {
			t.Errorf("nothing refers to %s in\n%s", name, x.YAML)
		}
	}
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.String()
}

func TestExportAnswersTheSame(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 200<<10) // 3.2 MB, past what is held
	spooled := filepath.Join(t.TempDir(), "000001_0123456789ab.bin")
	if err := os.WriteFile(spooled, []byte("head"+big), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, entries := range map[string][]*capture.Entry{
		"one": {captured(0, "/api/v1/status", "application/json", `{"id": 1}`)},
		"repeated": {
			captured(0, "/a", "application/json", `{"n":1}`), captured(0, "/b", "text/plain", "b"),
			captured(500, "/a", "application/json", `{"n":2}`), captured(900, "/a", "application/json", `{"n":1}`),
			captured(901, "/a", "application/json", `{"n":3}`),
		},
		"out of order": {captured(500, "/a", "text/plain", "late"), captured(0, "/a", "text/plain", "early")},
		"queries": {
			captured(0, "/a", "text/plain", "none"), captured(1, "/a?x=1", "text/plain", "one"),
			captured(2, "/a?x=1&y=2", "text/plain", "two"), captured(3, "/a?x=1&flag", "text/plain", "flag"),
			captured(4, "/a?x=yes&null=", "text/plain", "words"), captured(5, "/a?x=1.0&9=%00", "text/plain", "numbers"),
			captured(100, "/a?x=1", "text/plain", "one again"), captured(300, "/a?y=2&x=1", "text/plain", "two again"),
			captured(400, "/a?x=%ff", "text/plain", "bytes"),
		},
		"methods": {
			captured(0, "/a", "text/plain", "get"),
			with(captured(1, "/a", "text/plain", "post"), func(e *capture.Entry) { e.Method, e.Status = "POST", 201 }),
			with(captured(2, "/a", "text/plain", ""), func(e *capture.Entry) { e.Method, e.Status = "DELETE", 204 }),
		},
		"hosts": {
			captured(0, "/a", "text/plain", "first"),
			with(captured(1, "/a", "text/plain", "second"), func(e *capture.Entry) { e.Host = "other.example.com" }),
			with(captured(2, "/a", "text/plain", "port"), func(e *capture.Entry) { e.Port = 8443 }),
			with(captured(3, "/a", "text/plain", "plain"), func(e *capture.Entry) { e.Scheme, e.Port = "http", 80 }),
			with(captured(4, "/a", "text/plain", "v6"), func(e *capture.Entry) { e.Host = "2001:db8::1" }),
		},
		"headers": {with(captured(0, "/a", "text/html; charset=utf-8", "<p>"), func(e *capture.Entry) {
			e.ResponseHeader.Set("Set-Cookie", "a=1; Path=/", "b=2")
			e.ResponseHeader.Set("X-Number", "1.0")
			e.ResponseHeader.Set("X-Null", "null")
			e.ResponseHeader.Set("X-Odd", `: "#'\ %`)
			e.ResponseHeader.Set("X-Empty", "")
			e.ResponseHeader.Set("On", "yes")
		})},
		"json kept": {captured(0, "/a", "application/json; charset=utf-8", `{"b":1.0,"a":12345678901234567890,"a":1e400,"é":"\u00e9</"}`)},
		"not json":  {captured(0, "/a", "application/json", `{"broken": `), captured(0, "/b.json", "text/plain", "[1,2]"), captured(1, "/c", "", "\x00\xff")},
		"gzip": {with(captured(0, "/a", "application/json", gzipped(`{"a": [1, 2]}`)), func(e *capture.Entry) {
			e.ResponseHeader.Set("Content-Encoding", "gzip")
		})},
		"large": {
			with(captured(0, "/fw.bin", "application/octet-stream", ""), func(e *capture.Entry) {
				e.ResponseBody = capture.Blob{Size: int64(len(big)), Path: spooled, Off: 4, Spooled: true}
			}),
			captured(1, "/fw.bin?v=2", "application/octet-stream", big),
			captured(2, "/fw.bin?v=3", "application/octet-stream", big+"x"),
		},
		"names": {
			captured(0, "/a", "application/json", "1"), captured(0, "/a.json", "application/json", "2"),
			captured(0, "/a.json/b", "application/json", "3"), captured(0, "/A", "application/json", "4"),
			captured(0, "/", "text/html", "5"), captured(0, "/x/../../etc/passwd", "text/plain", "6"),
			captured(0, "/..", "text/plain", "7"), captured(0, "/%2e%2e/%00", "text/plain", "8"),
			captured(0, "/"+strings.Repeat("long/", 300)+strings.Repeat("n", 3000), "text/plain", "9"),
			captured(0, "/root", "text/html", "10"), captured(0, "//a//b", "text/plain", "11"),
		},
		"queries that look alike": {captured(0, "/q?ids=1&ids=2", "text/plain", "1 and 2"), captured(100, "/q?ids=1&ids=3", "text/plain", "1 and 3"),
			captured(200, "/q?ids=1", "text/plain", "1"), captured(300, "/q?ids=2&ids=1", "text/plain", "2 and 1"),
			captured(400, "/q?discount=100%", "text/plain", "a percent sign"), captured(500, "/q?discount=100", "text/plain", "none"),
			captured(600, "/q?q=1;2", "text/plain", "a semicolon"), captured(700, "/q?q=1", "text/plain", "no semicolon"),
			captured(800, "/q?q=%E9", "text/plain", "a byte that is no text"), captured(900, "/q", "text/plain", "nothing")},
		"patterns": {captured(0, "/p/{id/x", "text/plain", "1"), captured(0, "/q/a*b/c", "text/plain", "2"),
			captured(0, "/r/a#b", "text/plain", "3"), captured(0, "/s/\xff\xfe/t", "text/plain", "4")},
		"errors": {with(captured(0, "/a", "text/plain", "gone"), func(e *capture.Entry) { e.Status = 404 }),
			with(captured(0, "/b", "", ""), func(e *capture.Entry) {
				e.Status = 302
				e.ResponseHeader.Set("Location", "https://api.example.com/a")
			})},
	} {
		for _, timed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", timed ", timed), func(t *testing.T) {
				t.Parallel()
				if x := replay(t, entries, timed); strings.Contains(x.YAML, "Left out") {
					t.Errorf("something was left out:\n%s", x.YAML)
				}
			})
		}
	}
}

func TestExportDocument(t *testing.T) {
	t.Parallel()
	x, err := Scenario([]*capture.Entry{
		captured(0, "/api/v1/items?id=7&tag=a%20b", "application/json", `{"id":7}`),
		with(captured(1500, "/api/v1/items?id=7&tag=a%20b", "text/plain", "x"), func(e *capture.Entry) {
			e.ResponseHeader.Add("Set-Cookie", "a=1")
			e.ResponseHeader.Add("Set-Cookie", "b=2")
		}),
	}, Options{FilesDir: t.TempDir(), Timed: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `endpoints:
  https://api.example.com/api/v1/items:
    - method: GET
      match:
        query:
          id: "7"
          tag: a b
      delay_ms: 0
      response:
        status: 200
        file: responses/GET/api/v1/items_id-7_tag-a-b.json
    - method: GET
      match:
        query:
          id: "7"
          tag: a b
      delay_ms: 1450
      response:
        status: 200
        content_type: text/plain
        file: responses/GET/api/v1/items_id-7_tag-a-b.txt
        headers:
          Set-Cookie:
            - a=1
            - b=2
`
	if x.YAML != want {
		t.Errorf("got\n%swant\n%s", x.YAML, want)
	}
}

// TestExportedSequencesForgiveHaste asks sooner than was recorded: mocks answer
// faster than servers, and nobody asks to the millisecond.
func TestExportedSequencesForgiveHaste(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recorded, asked []float64 // milliseconds
		took            time.Duration
	}{
		"one right after the other":  {[]float64{0, 12, 26, 39}, []float64{0, 9, 20, 37}, 0},
		"within a millisecond":       {[]float64{0, 0.4, 0.9}, []float64{0, 0.3, 0.8}, 0},
		"seconds apart":              {[]float64{0, 2010, 4030}, []float64{0, 2001, 4002}, 0},
		"a server that takes time":   {[]float64{0, 1300}, []float64{0, 1001}, 300 * time.Millisecond},
		"a server that takes longer": {[]float64{0, 52}, []float64{0, 11}, 40 * time.Millisecond},
		"asked again while it works": {[]float64{0, 20, 40}, []float64{0, 20, 40}, 500 * time.Millisecond},
		"as recorded":                {[]float64{0, 7, 700, 701}, []float64{0, 7, 700, 701}, time.Millisecond},
		"a long poll, asked in time": {[]float64{0, 30000, 60000}, []float64{0, 30000, 60000}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var entries []*capture.Entry
			at := func(ms float64) time.Time {
				return time.Unix(1700000000, 0).Add(time.Duration(ms * float64(time.Millisecond)))
			}
			for i, ms := range c.recorded {
				entries = append(entries, with(captured(0, "/job", "text/plain", fmt.Sprint(i)), func(e *capture.Entry) {
					e.Start, e.Duration = at(ms), c.took
				}))
			}
			dir := t.TempDir()
			x, err := Scenario(entries, Options{FilesDir: dir, Timed: true})
			if err != nil {
				t.Fatal(err)
			}
			now := clock.Frozen(time.Unix(0, 0))
			host := script.New(script.Options{Clock: now})
			defer host.Close()
			s, err := scenario.Parse("scenario.yaml", []byte(x.YAML), scenario.Env{FilesDir: dir, Script: host})
			if err != nil {
				t.Fatal(err)
			}
			table := mock.NewTable()
			table.ReplaceAll(s.Endpoints)
			for i, ms := range c.asked {
				now.Set(at(ms), true)
				_, body := ask(t, table, &exchange.Request{Method: "GET", Scheme: "https", Host: "api.example.com", Port: 443, Target: "/job"})
				if body != fmt.Sprint(i) {
					t.Errorf("request %d after %v ms gives answer %s of\n%s", i, ms, body, x.YAML)
				}
			}
		})
	}
}

func TestExportPicks(t *testing.T) {
	t.Parallel()
	mocked := with(captured(0, "/api/mocked", "text/plain", "m"), func(e *capture.Entry) { e.Origin = exchange.FromMock })
	entries := []*capture.Entry{captured(0, "/api/a?q=/other", "text/plain", "a"), captured(0, "/other", "text/plain", "o"), mocked}
	for _, c := range []struct {
		o    Options
		want []string
	}{
		{Options{}, []string{"responses/GET/api/a_q--other.txt", "responses/GET/other.txt", "responses/GET/api/mocked.txt"}},
		{Options{Filter: "/api/*"}, []string{"responses/GET/api/a_q--other.txt", "responses/GET/api/mocked.txt"}},
		{Options{Filter: "/api/*", ExcludeMocked: true}, []string{"responses/GET/api/a_q--other.txt"}},
		{Options{Filter: "/nothing"}, []string{}},
	} {
		c.o.FilesDir = t.TempDir()
		x, err := Scenario(entries, c.o)
		if err != nil || !reflect.DeepEqual(x.Files, c.want) {
			t.Errorf("%+v: %v, %v, want %v", c.o, x.Files, err, c.want)
		}
	}
	x, err := Scenario(nil, Options{})
	if err != nil || x.YAML != "endpoints: {}\n" || x.Files == nil {
		t.Errorf("nothing gives %+v, %v", x, err)
	}
}

func TestExportLeavesOutWhatNoMockCanGive(t *testing.T) {
	t.Parallel()
	status := func(n int) func(*capture.Entry) { return func(e *capture.Entry) { e.Status = n } }
	x, err := Scenario([]*capture.Entry{
		with(captured(0, "/ws", "", ""), status(101)),
		with(captured(0, "/down", "", ""), status(0)),
		with(captured(0, "/proxy\n#x", "", ""), func(e *capture.Entry) { e.Origin, e.Status = exchange.FromProxy, 502 }),
		with(captured(0, "/cut", "", "abc"), func(e *capture.Entry) { e.ResponseBody.Truncated = true }),
		with(captured(0, "/gone", "", ""), func(e *capture.Entry) {
			e.ResponseBody = capture.Blob{Size: 3, Path: filepath.Join(t.TempDir(), "gone"), Spooled: true}
		}),
		with(captured(0, "*", "", ""), func(e *capture.Entry) { e.Method = "OPTIONS" }),
		with(captured(0, "/m", "", ""), func(e *capture.Entry) { e.Method = "WEBSOCKET" }),
		with(captured(0, "/m", "", ""), func(e *capture.Entry) { e.Method = "A*" }),
		with(captured(0, "/tls", "", ""), func(e *capture.Entry) { e.Kind = capture.TLSError }),
		with(captured(0, "/refused", "", ""), func(e *capture.Entry) { e.Kind = capture.Refused }),
	}, Options{FilesDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(x.YAML, "#   ") != 8 || !strings.HasSuffix(x.YAML, "\nendpoints: {}\n") {
		t.Errorf("got\n%s", x.YAML)
	}
	if s, err := scenario.Parse("x.yaml", []byte(x.YAML), scenario.Env{}); err != nil || len(s.Endpoints) != 0 {
		t.Errorf("%v, %v", s, err)
	}
}

func TestExportNeverChangesFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	export := func(body string) string {
		t.Helper()
		x, err := Scenario([]*capture.Entry{captured(0, "/a/b", "text/plain", body)}, Options{FilesDir: dir})
		if err != nil || len(x.Files) != 1 {
			t.Fatalf("%+v, %v", x, err)
		}
		return x.Files[0]
	}
	for _, c := range []struct{ body, want string }{
		{"one", "responses/GET/a/b.txt"}, {"one", "responses/GET/a/b.txt"}, {"two", "responses/GET/a/b_2.txt"}, {"two", "responses/GET/a/b_2.txt"},
	} {
		if got := export(c.body); got != c.want {
			t.Errorf("%s went to %s, want %s", c.body, got, c.want)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "responses/GET/a/b.txt")); string(data) != "one" {
		t.Errorf("%q, %v", data, err)
	}
	// A link that leads out is not followed.
	out := t.TempDir()
	dir = t.TempDir()
	if err := os.Symlink(out, filepath.Join(dir, "responses")); err != nil {
		t.Skip(err)
	}
	if _, err := Scenario([]*capture.Entry{captured(0, "/a", "text/plain", "x")}, Options{FilesDir: dir}); err == nil {
		t.Error("no error for a link out of the files directory")
	}
	if list, _ := os.ReadDir(out); len(list) > 0 {
		t.Errorf("%v was written outside", list)
	}
}

func TestExportOfManyRepeats(t *testing.T) {
	t.Parallel()
	var entries []*capture.Entry
	for i := range 2000 {
		entries = append(entries, captured(i/3, "/poll", "text/plain", fmt.Sprint(i%700)))
	}
	dir := t.TempDir()
	x, err := Scenario(entries, Options{FilesDir: dir, Timed: true})
	if err != nil || len(x.Files) != 700 || strings.Count(x.YAML, "delay_ms") != 2000 {
		t.Fatalf("%v, %d files", err, len(x.Files))
	}
	checkFiles(t, x, dir)
	if x, err = Scenario(entries, Options{FilesDir: t.TempDir()}); err != nil || strings.Count(x.YAML, "repeat: 1\n") != 1999 || strings.Contains(x.YAML, "delay_ms") {
		t.Errorf("%v in\n%.2000s", err, x.YAML)
	}
}

// Answers that came several times in a row are one step of a sequence.
func TestExportedSteps(t *testing.T) {
	t.Parallel()
	var entries []*capture.Entry
	for i, body := range []string{"a", "a", "a", "b", "a", "a"} {
		entries = append(entries, captured(i, "/a", "text/plain", body))
	}
	x := replay(t, entries, false)
	want := `endpoints:
  https://api.example.com/a:
    - method: GET
      repeat: 3
      response:
        status: 200
        content_type: text/plain
        file: responses/GET/a.txt
    - method: GET
      repeat: 1
      response:
        status: 200
        content_type: text/plain
        file: responses/GET/a_2.txt
    - method: GET
      response:
        status: 200
        content_type: text/plain
        file: responses/GET/a.txt
`
	if x.YAML != want {
		t.Errorf("got\n%swant\n%s", x.YAML, want)
	}
}

// Headers stand in the order and spelling in which they were sent, but for those
// that HTTP/2 has in lower case.
func TestExportedHeaders(t *testing.T) {
	t.Parallel()
	for proto, want := range map[string]string{
		"HTTP/1.1": `{"X-REQUEST-ID":"1","set-cookie":["a=1","b=2"],"ETag":"e"}`,
		"HTTP/2.0": `{"X-Request-Id":"1","Set-Cookie":["a=1","b=2"],"Etag":"e"}`,
	} {
		e := captured(0, "/a", "", "")
		e.Proto = proto
		e.ResponseHeader = exchange.HeaderOf("X-REQUEST-ID", "1", "date", "today", "set-cookie", "a=1", "content-LENGTH", "0", "ETag", "e", "Set-Cookie", "b=2")
		x, err := Scenario([]*capture.Entry{e}, Options{FilesDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.Parse("a.yaml", []byte(x.YAML), scenario.Env{FilesDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if def, err := jsonvalue.Append(nil, s.Endpoints[0].Definition); err != nil || !strings.Contains(string(def), `"headers":`+want) {
			t.Errorf("%s: %v, got %s, want headers %s", proto, err, def, want)
		}
	}
}

// One odd header spoils nothing: what can't be held is named, all else loads.
func TestExportOddHeaders(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	for _, c := range []struct {
		name, value, told string // told is empty for what can be held
	}{
		{"X Odd", "1", "X Odd"}, {"", "empty", `header \"\"`}, {" X", "1", "no name of a header"}, {"X:Y", "1", "X:Y"}, {"X\n", "1", "no name of a header"},
		{"X\x00", "1", "no name of a header"}, {"Xé", "1", "no name of a header"}, {"X\xff", "1", "no name of a header"}, {"(X)", "1", "(X)"},
		{"X-Bytes", "gr\xfcn", "header X-Bytes"}, {"X-Line", "a\r\nb", "header X-Line"}, {"X-Nul", "a\x00b", "header X-Nul"}, {"X-Template", "{{ now() }}", "header X-Template"},
		{"Content-Type", "text/\xff", "header Content-Type"}, {"Content-Type", "text/{{x}}", "header Content-Type"},
		{"X-Long", long, ""}, {"X-Utf8", "grün 😀", ""}, {"X-Tab", "a\tb", ""}, {"X-Empty", "", ""}, {"X-Yaml", "- a: &b *c # d", ""}, {"x-lower", "1", ""},
		{"Null", "null", ""}, {"On", "yes", ""}, {"X-Spaces", "  1  ", ""}, {"X-Del", "a\x7fb", "header X-Del"}, {"X-Sep", "a\u2028b\u0085", ""}, {"X-Mark", "\ufeffa", ""},
		{"<<", "1", "no name of a header"}, {"~", "1", ""}, {"!x", "1", ""}, {"&a", "1", ""}, {"*a", "1", ""}, {"0x1F", "1", ""}, {"'", "1", ""}, {"X." + long[:2000], "1", ""},
	} {
		e := captured(0, "/a", "text/plain", "body")
		e.ResponseHeader.Set(c.name, c.value)
		e.ResponseHeader.Set("X-Good", "1")
		dir := t.TempDir()
		x, err := Scenario([]*capture.Entry{e}, Options{FilesDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		host := script.New(script.Options{})
		s, err := scenario.Parse("x.yaml", []byte(x.YAML), scenario.Env{FilesDir: dir, Script: host})
		if err != nil {
			t.Errorf("%q: %v in\n%.1000s", c.name, err, x.YAML)
			continue
		}
		if told, _, _ := strings.Cut(x.YAML, "endpoints:"); (c.told == "") != (told == "") || !strings.Contains(told, c.told) {
			t.Errorf("%q: %q is left out", c.name, told)
		}
		table := mock.NewTable()
		table.ReplaceAll(s.Endpoints)
		res, body := ask(t, table, &exchange.Request{Method: "GET", Scheme: "https", Host: "api.example.com", Port: 443, Target: "/a"})
		if body != "body" || res.Header.Get("X-Good") != "1" || c.told == "" && strings.TrimSpace(strings.Join(res.Header.Values(c.name), "|")) != strings.TrimSpace(c.value) {
			t.Errorf("%q: %.200v %q", c.name, res.Header, body)
		}
		host.Close()
	}
}

// FuzzExport exports what may be captured. What comes out loads, and answers.
func FuzzExport(f *testing.F) {
	f.Add("GET", "h", "/a/{b}?c=d", "X-A", "v", "text/plain", []byte("body"))
	f.Add("\xff", "::1", "/../\x00#", "é", "{{", "", []byte("{}"))
	f.Fuzz(func(t *testing.T, method, host, target, name, value, ct string, body []byte) {
		dir := t.TempDir()
		e := captured(0, target, ct, string(body))
		e.Method, e.Host = method, host
		e.ResponseHeader.Set(name, value, value)
		other := captured(1, target, ct, string(body))
		other.Method, other.Host, other.Status = method, host, 206
		other.RequestHeader = exchange.HeaderOf("Range", value)
		other.ResponseHeader = exchange.HeaderOf(name, value, "Content-Encoding", value, name, value)
		x, err := Scenario([]*capture.Entry{e, e, other}, Options{FilesDir: dir, Timed: len(body)%2 == 1})
		if err != nil {
			t.Fatal(err)
		}
		host2 := script.New(script.Options{})
		defer host2.Close()
		if _, err := scenario.Parse("x.yaml", []byte(x.YAML), scenario.Env{FilesDir: dir, Script: host2}); err != nil {
			t.Fatalf("%v in\n%s", err, x.YAML)
		}
		checkFiles(t, x, dir)
	})
}
