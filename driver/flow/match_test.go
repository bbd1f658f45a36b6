package flow

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// vector is a request of testdata/replay-match-vectors.json.
type vector struct {
	Host, Method, Scheme, Authority, Path string
	Port                                  int
	Proto                                 string `json:"http_version"`
	Headers                               [][2]string
	Content                               *string
}

func (v *vector) flow() *Request {
	r := &Request{Method: v.Method, Scheme: v.Scheme, Host: v.Host, Port: v.Port, Path: v.Path, Authority: v.Authority, Proto: v.Proto}
	for _, h := range v.Headers {
		r.Header.Add(h[0], h[1])
	}
	if v.Content == nil {
		r.Body.Missing = true
	} else {
		r.Body.Blob = capture.Blob{Size: int64(len(*v.Content)), Data: []byte(*v.Content)}
	}
	return r
}

// live is the same request as a device would send it through the proxy.
func (v *vector) live() subject {
	q := &exchange.Request{Method: v.Method, Scheme: v.Scheme, Host: strings.ToLower(v.Host), Port: v.Port, Target: v.Path, Authority: v.Authority, Proto: v.Proto, Header: v.flow().Header}
	q.Authority = cmp.Or(q.Authority, q.Header.Get("Host"), v.Host) // every request that comes through has one
	return live(q, []byte(*v.Content))
}

// TestMatchVectors holds that two requests are the same where they are for
// mitmproxy, both recorded, and one recorded and one live.
func TestMatchVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/replay-match-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Defaults json.RawMessage
		Vectors  []struct {
			Name    string
			A, B    json.RawMessage
			Options struct {
				Content bool     `json:"server_replay_ignore_content"`
				Host    bool     `json:"server_replay_ignore_host"`
				Port    bool     `json:"server_replay_ignore_port"`
				Params  []string `json:"server_replay_ignore_params"`
				Payload []string `json:"server_replay_ignore_payload_params"`
				Headers []string `json:"server_replay_use_headers"`
			}
			Match bool
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 20 {
		t.Fatalf("%d vectors", len(file.Vectors))
	}
	for _, c := range file.Vectors {
		t.Run(c.Name, func(t *testing.T) {
			var a, b vector
			for v, text := range map[*vector]json.RawMessage{&a: c.A, &b: c.B} {
				if err := json.Unmarshal(file.Defaults, v); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(text, v); err != nil {
					t.Fatal(err)
				}
			}
			m := Matching{IgnoreHost: c.Options.Host, IgnorePort: c.Options.Port, IgnoreBody: c.Options.Content,
				IgnoreQuery: c.Options.Params, IgnoreForm: c.Options.Payload, Headers: c.Options.Headers}
			keyOf := func(s subject) key {
				k, err := m.keyOf(&s)
				if err != nil {
					t.Fatal(err)
				}
				return k
			}
			ka, kb := keyOf(recorded(a.flow())), keyOf(recorded(b.flow()))
			if (ka == kb) != c.Match {
				t.Errorf("two recordings: %v, want %v", ka == kb, c.Match)
			}
			if b.Content != nil {
				if kb := keyOf(b.live()); (ka == kb) != c.Match {
					t.Errorf("recorded and live: %v, want %v", ka == kb, c.Match)
				}
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	h := exchange.HeaderOf(
		"Date", "Mon, 23 Nov 2026 06:44:02 GMT",
		"set-cookie", "a=b; Path=/; expires=Mon, 23-Nov-2026 06:44:02 GMT; HttpOnly",
		"Expires", "0",
		"last-modified", "Mon, 23 Nov 2026 08:44:02 +0200",
		"Etag", "x",
		"Set-Cookie", "c=d; Expires=soon; Secure",
		"Set-Cookie", "expires=Mon, 23 Nov 2026 06:44:02 GMT",
		"Set-Cookie", "none; expires=Mon, 23 Nov 2026 06:44:02 GMT")
	refresh(h, 3600e9)
	want := exchange.HeaderOf(
		"Date", "Mon, 23 Nov 2026 07:44:02 GMT",
		"set-cookie", "a=b; Path=/; expires=Mon, 23 Nov 2026 07:44:02 GMT; HttpOnly",
		"Expires", "0",
		"last-modified", "Mon, 23 Nov 2026 07:44:02 GMT",
		"Etag", "x",
		"Set-Cookie", "c=d; Secure",
		"Set-Cookie", "expires=Mon, 23 Nov 2026 06:44:02 GMT",
		"Set-Cookie", "none; expires=Mon, 23 Nov 2026 06:44:02 GMT")
	if !slices.Equal(h, want) {
		t.Errorf("got %q, want %q", h, want)
	}
}
