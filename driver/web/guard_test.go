package web

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"starproxy/driver/rpc"
)

// site is a Server on a socket, and a browser.
type site struct {
	*testing.T
	server *Server
	base   string // without a slash at the end
	client *http.Client
}

// newSite serves methods of every kind. Its browser has no session.
func newSite(t *testing.T) *site {
	t.Helper()
	table := rpc.NewTable(slog.New(slog.DiscardHandler), []rpc.Row{
		rpc.New("look", "Answer whether the page calls.", func(ctx context.Context) (map[string]bool, error) { return map[string]bool{"page": Calls(ctx)}, nil }),
		rpc.New("refuse", "Refuse.", func(context.Context) (string, error) { return "", rpc.Refuse(rpc.FailedPrecondition, "not now") }),
		rpc.New("count", "Stream the numbers after one.", count, rpc.With("text", "n"), rpc.With("after", 0)),
		rpc.New("bytes", "Stream bytes, and then fail if asked to.", chunk, rpc.With("fail", false)),
	})
	s, err := New(table, "127.0.0.1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
	return &site{T: t, server: s, base: "http://" + ln.Addr().String(), client: newClient(t)}
}

func newClient(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: tr}
}

// number is an item that has a number, unless it is an update.
type number struct {
	Text   string `json:"text"`
	N      uint64 `json:"n"`
	Update bool   `json:"update"`
}

func (n number) Number() uint64 {
	if n.Update {
		return 0
	}
	return n.N
}

func count(_ context.Context, text string, after int) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		for n := uint64(after) + 1; n <= 3; n++ {
			if !yield(number{Text: text, N: n}, nil) {
				return
			}
		}
		yield(number{Text: "a line\nand <more>", N: 1, Update: true}, nil)
	}, nil
}

func chunk(_ context.Context, fail bool) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		if fail {
			yield(nil, rpc.Refuse(rpc.NotFound, "no such file"))
			return
		}
		_ = yield([]byte{0, 1}, nil) && yield([]byte{0xff}, nil)
	}, nil
}

// fetch asks for a path and returns the answer with its whole body.
func (s *site) fetch(method, path string, h http.Header, body string) (*http.Response, string) {
	s.Helper()
	req, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, values := range h {
		req.Header[name] = values
	}
	if host := h.Get("Host"); host != "" { // the jar has no cookie for it: send that of the site
		req.Host = host
		u, _ := url.Parse(s.base)
		for _, c := range s.client.Jar.Cookies(u) {
			req.AddCookie(c)
		}
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return res, string(data)
}

// enter opens the link with the token.
func (s *site) enter() {
	s.Helper()
	if res, _ := s.fetch("GET", "/?token="+s.server.Token(), nil, ""); res.StatusCode != 200 || res.Request.URL.RawQuery != "" {
		s.Fatalf("the link answers %s at %s, want 200 and an address without the token", res.Status, res.Request.URL)
	}
}

// TestGuard holds who gets in, by a name that is ours, from our own page.
func TestGuard(t *testing.T) {
	t.Parallel()
	in, out := newSite(t), newSite(t)
	in.enter()
	port := in.base[strings.LastIndex(in.base, ":")+1:]
	host := func(name string) http.Header { return http.Header{"Host": {name + ":" + port}} }
	origin := func(text string) http.Header { return http.Header{"Origin": {text}} }
	for name, tt := range map[string]struct {
		at     *site
		method string
		path   string
		header http.Header
		status int
	}{
		"a session, the page":                   {in, "GET", "/", nil, 200},
		"a session, a call":                     {in, "POST", "/api/call/look", nil, 200},
		"a session, a stream":                   {in, "GET", "/api/stream/count", nil, 200},
		"a session, a download":                 {in, "GET", "/api/file/bytes?as=a.bin", nil, 200},
		"no session, the page":                  {out, "GET", "/", nil, 403},
		"no session, a file of the page":        {out, "GET", "/app.css", nil, 403},
		"no session, a call":                    {out, "POST", "/api/call/look", nil, 403},
		"no session, a stream":                  {out, "GET", "/api/stream/count", nil, 403},
		"no session, a download":                {out, "GET", "/api/file/bytes?as=a.bin", nil, 403},
		"a wrong token":                         {out, "GET", "/?token=wrong", nil, 403},
		"an empty token":                        {out, "GET", "/?token=", nil, 403},
		"the token of another server":           {out, "GET", "/?token=" + in.server.Token(), nil, 403},
		"the token of the stock client":         {out, "GET", "/?token=" + tunnelToken, nil, 403},
		"the token, for a call":                 {out, "POST", "/api/call/look?token=" + out.server.Token(), nil, 403},
		"the token, by POST":                    {out, "POST", "/?token=" + out.server.Token(), nil, 403},
		"the token as the cookie":               {out, "GET", "/api/stream/count", http.Header{"Cookie": {"starproxy-" + port + "=" + out.server.Token()}}, 403},
		"another host":                          {in, "GET", "/", host("evil.example"), 403},
		"another host, with the token":          {in, "GET", "/?token=" + in.server.Token(), host("evil.example"), 403},
		"another host, a call":                  {in, "POST", "/api/call/look", host("attacker.test"), 403},
		"a host that begins like an address":    {in, "GET", "/", host("127.0.0.1.evil.example"), 403},
		"a host that begins like localhost":     {in, "GET", "/", host("localhost.evil.example"), 403},
		"localhost":                             {in, "GET", "/", host("localhost"), 200},
		"localhost in capitals":                 {in, "GET", "/", host("LOCALHOST"), 200},
		"localhost with a dot":                  {in, "GET", "/", host("localhost."), 200},
		"an address of IPv6":                    {in, "GET", "/", host("[::1]"), 200},
		"an address without a port":             {in, "GET", "/api/stream/count", http.Header{"Host": {"127.0.0.1"}}, 403}, // whose cookie is that of port 80
		"another origin":                        {in, "POST", "/api/call/look", origin("http://evil.example"), 403},
		"an opaque origin":                      {in, "POST", "/api/call/look", origin("null"), 403},
		"an origin that is no URL":              {in, "POST", "/api/call/look", origin("http://%"), 403},
		"the origin of another port":            {in, "POST", "/api/call/look", origin("http://127.0.0.1:1"), 403},
		"an origin of another scheme":           {in, "POST", "/api/call/look", origin(strings.Replace(in.base, "http", "ftp", 1)), 403},
		"our own origin":                        {in, "POST", "/api/call/look", origin(in.base), 200},
		"a fetch from another site":             {in, "GET", "/api/stream/count", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"a fetch from the same site":            {in, "GET", "/api/stream/count", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		"a fetch from our own page":             {in, "GET", "/api/stream/count", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
		"a link on another site":                {in, "GET", "/", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}, 200},
		"a link on another site, to a download": {in, "GET", "/api/file/bytes?as=a", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}, 403},
		"an image on another site":              {in, "GET", "/", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}}, 403},
		"a form of another site":                {in, "POST", "/api/call/look", http.Header{"Content-Type": {"text/plain"}}, 415},
		"a call by GET":                         {in, "GET", "/api/call/look", nil, 404},
		"a method that is not there":            {in, "POST", "/api/call/nope", nil, 404},
		"a file that is not there":              {in, "GET", "/../../etc/passwd", nil, 404},
	} {
		res, body := tt.at.fetch(tt.method, tt.path, tt.header, "[]")
		if res.StatusCode != tt.status {
			t.Errorf("%s: got %s, want %d: %s", name, res.Status, tt.status, body)
		}
		for header, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("%s: %s: got %q, want %q", name, header, got, want)
			}
		}
		if tt.at == out && len(res.Cookies()) > 0 {
			t.Errorf("%s: got the cookies %v, want none", name, res.Cookies())
		}
	}
}

// The policy lets nothing run that is not a file of the page, and nobody frame it.
func TestPolicy(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, rule) {
			t.Errorf("the policy lacks %s: %s", rule, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("the policy allows too much: %s", policy)
	}
	page, err := files.ReadFile("ui/index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, inline := range []string{"<style", " style=", " onclick=", "javascript:"} {
		if strings.Contains(string(page), inline) {
			t.Errorf("index.html has %q, which the policy forbids", inline)
		}
	}
}

// TestSession looks at the cookie: scripts can't read it, other sites can't send it,
// and it is neither the token nor good for another server.
func TestSession(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, _ := s.fetch("GET", "/?token="+s.server.Token(), nil, "")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" {
		t.Errorf("the link answers %s to %q, want 303 to /", res.Status, res.Header.Get("Location"))
	}
	cookies := res.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("got the cookies %v, want one", cookies)
	}
	c := cookies[0]
	if c.Value == s.server.Token() || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("got the cookie %+v", c)
	}
	if want := "starproxy-" + s.base[strings.LastIndex(s.base, ":")+1:]; c.Name != want {
		t.Errorf("got the cookie %s, want %s: browsers do not tell ports apart", c.Name, want)
	}
	secrets := s.server.Secrets()
	if len(secrets) != 2 || secrets[0] != s.server.Token() || secrets[1] != c.Value {
		t.Errorf("Secrets: got %q, want the token and the value of the cookie", secrets)
	}
	name := "starproxy-" + other.base[strings.LastIndex(other.base, ":")+1:]
	if res, _ := other.fetch("GET", "/", http.Header{"Cookie": {name + "=" + c.Value}}, ""); res.StatusCode != 403 {
		t.Errorf("the cookie of another server: got %s, want 403", res.Status)
	}
}

// Through the tunnel the token of the stock client opens the page, and only there.
func TestTunnel(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.client.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return s.server.Connect() }}
	s.base = "http://localhost:18081"
	if res, _ := s.fetch("GET", "/", nil, ""); res.StatusCode != 403 {
		t.Errorf("without a token: got %s, want 403", res.Status)
	}
	if res, _ := s.fetch("GET", "/?token=other", nil, ""); res.StatusCode != 403 {
		t.Errorf("with another token: got %s, want 403", res.Status)
	}
	if res, _ := s.fetch("GET", "/?token="+tunnelToken, nil, ""); res.StatusCode != 200 {
		t.Errorf("with the token of the stock client: got %s, want 200", res.Status)
	}
}
