package flow

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"starproxy/builtins/exchange"
)

// TestReplayForms replays forms of which a HAR document has the fields alone:
// how a device spells them does not count, what they say does.
func TestReplayForms(t *testing.T) {
	t.Parallel()
	const form, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
	for name, c := range map[string]struct {
		recorded string // postData
		typ      string // of the device's request
		body     string
		found    bool
	}{
		"the same":          {`{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a","value":"1 ü~*"},{"name":"b","value":""}]}`, form, "a=1+%C3%BC~%2A&b=", true},
		"spelled otherwise": {`{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a","value":"1 ü~*"},{"name":"b"}]}`, form + "; charset=UTF-8", "a=1%20%c3%bc%7E*&b", true},
		"without its type":  {`{"params":[{"name":"a","value":"1"}],"text":""}`, form, "a=1", true},
		"another value":     {`{"params":[{"name":"a","value":"1"}]}`, form, "a=2", false},
		"another name":      {`{"params":[{"name":"a","value":"1"}]}`, form, "b=1", false},
		"one more":          {`{"params":[{"name":"a","value":"1"}]}`, form, "a=1&b=2", false},
		"no form":           {`{"params":[{"name":"a","value":"1"}]}`, "text/plain", "a=1 ", false},
		"latin 1":           {`{"mimeType":"application/x-www-form-urlencoded; charset=latin1","params":[{"name":"a","value":"ü"}]}`, form + "; charset=latin1", "a=%fc", true},
		"parts":             {`{"mimeType":"multipart/form-data","params":[{"name":"a","value":"1"}]}`, parts, "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n", true},
		"a file":            {`{"mimeType":"multipart/form-data","params":[{"name":"f","fileName":"a.txt"}]}`, parts, "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\ncontent\r\n--x--\r\n", true},
		"another file":      {`{"mimeType":"multipart/form-data","params":[{"name":"f","fileName":"a.txt"}]}`, parts, "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"b.txt\"\r\n\r\ncontent\r\n--x--\r\n", false},
		"with its text":     {`{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a","value":"1"}],"text":"a=%31"}`, form, "a=1", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			har := filepath.Join(t.TempDir(), "a.har")
			document := `{"log":{"entries":[{"request":{"method":"POST","url":"http://a.test/x","postData":` + c.recorded + `},"response":{"status":200,"content":{"text":"ok"}}}]}}`
			if err := os.WriteFile(har, []byte(document), 0o600); err != nil {
				t.Fatal(err)
			}
			bin := filepath.Join(filepath.Dir(har), "a.bin")
			convert(t, har, bin)
			for _, path := range []string{har, bin} {
				r, err := OpenReplay(path, ReplayOptions{})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				s := live(&exchange.Request{Method: "POST", Scheme: "http", Host: "a.test", Port: 80, Authority: "a.test", Target: "/x",
					Header: exchange.HeaderOf("Content-Type", c.typ)}, []byte(c.body))
				at, err := r.find(&s)
				if err != nil || (at >= 0) != c.found {
					t.Errorf("%s: found %d, %v; want found %v", filepath.Ext(path), at, err, c.found)
				}
			}
		})
	}
}

// convert writes the flows of a recording as a flow file.
func convert(t *testing.T, from, to string) {
	t.Helper()
	f, err := Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := NewWriter(out)
	for fl, err := range f.Flows() {
		if err == nil {
			err = w.Write(fl)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRefreshWithoutTime has a recording that does not say when it was made.
func TestRefreshWithoutTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for headers, want := range map[string][2]string{
		`{"name":"Date","value":"Tue, 02 Jan 2024 03:04:05 GMT"},{"name":"Expires","value":"Tue, 02 Jan 2024 03:05:05 GMT"}`: {"Wed, 06 May 2026 07:08:09 GMT", "Wed, 06 May 2026 07:09:09 GMT"},
		`{"name":"Expires","value":"Tue, 02 Jan 2024 03:05:05 GMT"}`:                                                         {"", "Tue, 02 Jan 2024 03:05:05 GMT"},
	} {
		har := filepath.Join(t.TempDir(), "a.har")
		document := `{"log":{"entries":[{"request":{"method":"GET","url":"http://a.test/x"},"response":{"status":200,"headers":[` + headers + `]}}]}}`
		if err := os.WriteFile(har, []byte(document), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := OpenReplay(har, ReplayOptions{Refresh: true, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		q := &exchange.Request{Method: "GET", Scheme: "http", Host: "a.test", Port: 80, Authority: "a.test", Target: "/x"}
		res, err := r.Respond(t.Context(), &exchange.Exchange{Request: q})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{res.Header.Get("Date"), res.Header.Get("Expires")}; got != want {
			t.Errorf("%s: got %q, want %q", headers, got, want)
		}
	}
}
