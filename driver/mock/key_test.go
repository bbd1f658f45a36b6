package mock

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]Match{
		"GET /api/v1/status":            {Method: "GET", Path: "/api/v1/status"},
		"get /api":                      {Method: "GET", Path: "/api"},
		"  POST   /api ":                {Method: "POST", Path: "/api"},
		"GET /a*":                       {Method: "GET", Path: "/a*"},
		"GET *":                         {Method: "GET", Path: "*"},
		"* /a":                          {Path: "/a"},
		"* /a/*":                        {Path: "/a/*"},
		"WEBSOCKET /live":               {Method: WebSocket, Path: "/live"},
		"WEBSOCKET /live*":              {Method: WebSocket, Path: "/live*"},
		"GET /d/{id}/x-{n}.json":        {Method: "GET", Path: "/d/{id}/x-{n}.json"},
		"GET /a/*/b":                    {Method: "GET", Path: "/a/*/b"},
		"GET /a#second":                 {Method: "GET", Path: "/a"},
		"GET /a%20b":                    {Method: "GET", Path: "/a%20b"},
		"GET /s?q=a+b&flag&q=c":         {Method: "GET", Path: "/s", Query: map[string]string{"flag": ""}, QueryAll: map[string][]string{"q": {"a b", "c"}}},
		"GET /s?d=100%&q=1;2":           {Method: "GET", Path: "/s", Query: map[string]string{"d": "100%", "q": "1;2"}},
		"GET /my  file.txt":             {Method: "GET", Path: "/my  file.txt"},
		"https://h/my file?q=a b":       {Scheme: "https", Host: "h", Port: 443, Path: "/my file", Query: map[string]string{"q": "a b"}},
		"GET https://h/my café|x#1":     {Method: "GET", Scheme: "https", Host: "h", Port: 443, Path: "/my café|x"},
		"GET /go/http://x/y":            {Method: "GET", Path: "/go/http://x/y"},
		"https://api.Example.com/v1":    {Scheme: "https", Host: "api.example.com", Port: 443, Path: "/v1"},
		"http://h":                      {Scheme: "http", Host: "h", Port: 80, Path: "/"},
		"http://h?x=1":                  {Scheme: "http", Host: "h", Port: 80, Path: "/", Query: map[string]string{"x": "1"}},
		"HTTP://h:8080/v1/*#n":          {Scheme: "http", Host: "h", Port: 8080, Path: "/v1/*"},
		"https://[::1]:8443/v1":         {Scheme: "https", Host: "::1", Port: 8443, Path: "/v1"},
		"https://[2001:db8::1]/v1":      {Scheme: "https", Host: "2001:db8::1", Port: 443, Path: "/v1"},
		"PUT https://h/v1":              {Method: "PUT", Scheme: "https", Host: "h", Port: 443, Path: "/v1"},
		"* http://h/v1":                 {Scheme: "http", Host: "h", Port: 80, Path: "/v1"},
		"wss://h/live":                  {Method: WebSocket, Scheme: "https", Host: "h", Port: 443, Path: "/live"},
		"WEBSOCKET ws://h:9/live":       {Method: WebSocket, Scheme: "http", Host: "h", Port: 9, Path: "/live"},
		"PROPFIND /dav":                 {Method: "PROPFIND", Path: "/dav"},
		"GET https://h/redirect/http:/": {Method: "GET", Scheme: "https", Host: "h", Port: 443, Path: "/redirect/http:/"},
	} {
		got, err := ParseKey(key)
		if err != nil {
			t.Errorf("%q: %v", key, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, expected %+v", key, got, want)
		}
	}
}

func TestParseKeyErrors(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"":                    "want \"METHOD /path\"",
		"/a":                  "want \"METHOD /path\"",
		"GET":                 "want \"METHOD /path\"",
		"GET /a /b":           "want \"METHOD /path\"",
		"GET a":               "does not begin with /",
		"G@T /a":              "method: got",
		"GET /a\x01":          "control character",
		"GET /{}":             "braces",
		"GET /{a}{b}":         "braces",
		"GET /{a":             "braces",
		"GET /a}":             "braces",
		"GET /{1}":            "braces",
		"GET /{a}/{a}":        "twice",
		"ftp://h/a":           "scheme",
		"https://":            "host",
		"https://*.h/a":       "host",
		"https://u@h/a":       "host",
		"https://[::1/a":      `without "]"`,
		"https://[::1]x/a":    "want :port",
		"https://h:0/a":       "port",
		"https://h:65536/a":   "port",
		"https://1:2:3/a":     "want brackets",
		"POST wss://h/live":   "does not go with",
		"GET https:///nohost": "host",
	} {
		_, err := ParseKey(key)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected an error with %q", key, err, want)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"GET /a", "* /a*", "https://[::1]:1/{x}?q=1#n", "WEBSOCKET wss://h/l*", "GET /a/{b}.json/*", "GET /*/*"} {
		f.Add(s, "/a/b")
	}
	f.Fuzz(func(t *testing.T, key, path string) {
		m, err := ParseKey(key)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if err := m.Compile(); err != nil {
			t.Fatalf("%q parsed but does not compile: %v", key, err)
		}
		p := &m.c.path
		params := map[string]string{}
		if fits := p.match(path, params); fits != p.match(path, nil) {
			t.Errorf("%q on %q: captures change the result", key, path)
		} else if fits && p.distance(path) != 0 {
			t.Errorf("%q fits %q but is %d away", key, path, p.distance(path))
		}
		// What fits must be found through the index too.
		table := NewTable()
		table.Set(&Endpoint{Name: key, Match: m})
		r := request(t, "GET /")
		r.Target = path
		_, direct := m.Matches(r)
		if ep, _ := table.lookup(r); (ep != nil) != direct {
			t.Errorf("%q on %q: table found %v, match says %v", key, path, ep != nil, direct)
		}
	})
}
