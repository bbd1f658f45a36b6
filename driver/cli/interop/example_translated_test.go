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
	"time"
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

// stub is a mapping of WireMock, as far as the test compares it, with requests
// that it answers.
type stub struct {
	Response struct {
		Status   int
		Body     string
		JSONBody json.RawMessage `json:"jsonBody"`
		Headers  map[string]string
	}
	Metadata struct {
		Asks []struct {
			URL, Send, Body string
			Headers         map[string]string
			Millis          int
			Breaks          bool
		}
	}
	Request struct{ Method string }
}

// TestExampleWireMock asks what each stub answers.
func TestExampleWireMock(t *testing.T) {
	t.Parallel()
	c := example(t, "wiremock")
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	data, err := os.ReadFile(filepath.Join(root(t), "examples", "wiremock", "mappings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Mappings []stub }
	unmarshal(t, data, &set)
	for _, m := range set.Mappings {
		for _, q := range m.Metadata.Asks {
			method, header := strings.Replace(m.Request.Method, "ANY", "GET", 1), http.Header{}
			for name, value := range q.Headers {
				header.Set(name, value)
			}
			begun := time.Now()
			res, body, err := ask(t, c, method, "http://shop.example"+q.URL, q.Send, header)
			took := time.Since(begun)
			if q.Breaks {
				if err == nil {
					t.Errorf("%s %s: status %d, want a broken connection", method, q.URL, res.StatusCode)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			want, mime := m.Response.Body, "text/plain"
			if q.Body != "" {
				want = q.Body
			}
			if m.Response.JSONBody != nil {
				want, mime = string(m.Response.JSONBody), "application/json"
			}
			if res.StatusCode != m.Response.Status || !sameBody(t, string(body), want, "", mime) {
				t.Errorf("%s %s: status %d and %q, want %d and %q", method, q.URL, res.StatusCode, body, m.Response.Status, want)
			}
			for name, value := range m.Response.Headers {
				if got := res.Header.Get(name); got != value {
					t.Errorf("%s %s: %s: got %q, want %q", method, q.URL, name, got, value)
				}
			}
			if took < time.Duration(q.Millis)*time.Millisecond {
				t.Errorf("%s %s: after %v, want %d ms", method, q.URL, took, q.Millis)
			}
		}
	}
}
