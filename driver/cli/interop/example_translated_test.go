package interop

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// harFile is the part of a HAR file that the test compares.
type harFile struct {
	Log struct{ Entries []harEntry }
}

type harEntry struct {
	Request struct {
		Method, URL string
		Headers     []harPair
		PostData    struct {
			Text   string
			Params []harPair
		}
	}
	Response struct {
		Status  int
		Headers []harPair
		Content struct{ Text, Encoding, MimeType string }
	}
}

type harPair struct{ Name, Value string }

// body is what the request sent.
func (e *harEntry) body() string {
	if e.Request.PostData.Params == nil {
		return e.Request.PostData.Text
	}
	form := url.Values{}
	for _, p := range e.Request.PostData.Params {
		form.Add(p.Name, p.Value)
	}
	return form.Encode()
}

// TestExampleHAR asks what the recording asks, and gets what it got.
func TestExampleHAR(t *testing.T) {
	t.Parallel()
	c := example(t, "har")
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	data, err := os.ReadFile(filepath.Join(root(t), "examples", "har", "session.har"))
	if err != nil {
		t.Fatal(err)
	}
	var har harFile
	unmarshal(t, data, &har)
	if n := len(har.Log.Entries); n != 14 {
		t.Errorf("%d entries, want 14", n)
	}
	for i, e := range har.Log.Entries {
		header := http.Header{}
		for _, h := range e.Request.Headers {
			if h.Name != "Host" {
				header.Add(h.Name, h.Value)
			}
		}
		address := strings.Replace(e.Request.URL, "https://", "http://", 1)
		res, body, err := ask(t, c, e.Request.Method, address, e.body(), header)
		if err != nil {
			t.Fatal(err)
		}
		want := e.Response
		if res.StatusCode != want.Status {
			t.Errorf("entry %d, %s %s: status %d, want %d: %s", i, e.Request.Method, address, res.StatusCode, want.Status, body)
		}
		for _, h := range want.Headers {
			if got := res.Header.Get(h.Name); got != h.Value {
				t.Errorf("entry %d, %s %s: %s: got %q, want %q", i, e.Request.Method, address, h.Name, got, h.Value)
			}
		}
		if text := want.Content.Text; !sameBody(t, string(body), text, want.Content.Encoding, want.Content.MimeType) {
			t.Errorf("entry %d, %s %s: got %q, want %q", i, e.Request.Method, address, body, text)
		}
	}
}

// sameBody compares a body with that of a recording, JSON by its values.
func sameBody(t *testing.T, got, want, encoding, mime string) bool {
	t.Helper()
	if encoding == "base64" {
		raw, err := base64.StdEncoding.DecodeString(want)
		if err != nil {
			t.Fatal(err)
		}
		want = string(raw)
	}
	if mime != "application/json" || want == "" {
		return got == want
	}
	var a, b any
	if json.Unmarshal([]byte(got), &a) != nil {
		return false
	}
	unmarshal(t, []byte(want), &b)
	return reflect.DeepEqual(a, b)
}
