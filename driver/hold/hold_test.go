package hold_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/exchange"
	"starproxy/driver/ca"
	"starproxy/driver/capture"
	"starproxy/driver/hold"
	"starproxy/driver/proxy"
)

// testCA is one authority for all tests.
var testCA = sync.OnceValues(func() (*ca.Authority, error) {
	dir, err := os.MkdirTemp("", "hold")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return ca.Open(dir)
})

// bench is a proxy with a Table in front of its handler, and a real server.
type bench struct {
	*testing.T
	table   *hold.Table
	journal *capture.Journal
	address string
	roots   *x509.CertPool
	proxy   *proxy.Proxy
}

// forward has the real server answer.
func forward(context.Context, *exchange.Exchange) (*exchange.Response, error) { return nil, nil }

func start(t *testing.T, next exchange.HandlerFunc) *bench {
	t.Helper()
	a, err := testCA()
	if err != nil {
		t.Fatal(err)
	}
	j := capture.New(capture.Options{SpoolDir: t.TempDir()})
	b := &bench{T: t, table: &hold.Table{Flights: j.Flights()}, journal: j, roots: x509.NewCertPool()}
	b.roots.AddCert(a.Cert())
	b.proxy = proxy.New(proxy.Config{Addr: "127.0.0.1:0", CA: a, Handler: b.table.Handler(next), Journal: b.journal, Insecure: true})
	if err := b.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	b.address = b.proxy.Addr().String()
	t.Cleanup(func() {
		b.table.Stop()
		b.proxy.Close(context.Background())
		b.journal.Close()
	})
	return b
}

func (b *bench) client() *http.Client {
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: b.address}),
		TLSClientConfig: &tls.Config{RootCAs: b.roots}, ForceAttemptHTTP2: true, DisableCompression: true}
	b.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Timeout: 20 * time.Second, Transport: tr}
}

func (b *bench) set(expr string, side hold.Side, timeout time.Duration) {
	b.Helper()
	if err := b.table.Set(expr, side, timeout); err != nil {
		b.Fatal(err)
	}
}

// held waits until n exchanges are held.
func (b *bench) held(n int) []*hold.Held {
	b.Helper()
	end := time.After(10 * time.Second)
	for {
		changed := b.table.Changed()
		if list := b.table.List(); len(list) == n && b.inFlight() == n {
			return list
		} else if len(list) == n { // it is told a moment later
			changed = b.journal.Flights().Changed()
			if b.inFlight() == n {
				return list
			}
		}
		select {
		case <-changed:
		case <-end:
			b.Fatalf("got %d held exchanges, want %d", len(b.table.List()), n)
		}
	}
}

// inFlight counts the exchanges in flight that are held.
func (b *bench) inFlight() (n int) {
	for _, o := range b.journal.Flights().List() {
		if o.State == capture.HeldRequest || o.State == capture.HeldResponse {
			n++
		}
	}
	return n
}

func (b *bench) release(h *hold.Held, change string) {
	b.Helper()
	c, err := hold.ParseChange(change, h)
	if err != nil {
		b.Fatal(err)
	}
	if !b.table.Release(h, c) {
		b.Fatal("it was not held any more")
	}
}

// entry waits for the captured exchange with that number.
func (b *bench) entry(seq uint64) *capture.Entry {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	e, err := b.journal.Wait(ctx, func(e *capture.Entry) bool { return e.Seq == seq })
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// answer is what a device got.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

// send sends a request and returns where its answer comes.
func send(c *http.Client, r *http.Request) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		res, err := c.Do(r)
		if err != nil {
			got <- answer{err: err}
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		got <- answer{res.StatusCode, res.Header, string(body), err}
	}()
	return got
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// echo tells what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Server-Line", "yes")
	fmt.Fprintf(w, "%s %s [%s] %s", r.Method, r.URL, r.Header.Get("X-Test"), body)
}

// servers starts a real server of HTTP/1, and one of HTTP/2.
func servers(t *testing.T, h http.HandlerFunc) map[string]string {
	t.Helper()
	one, two := httptest.NewServer(h), httptest.NewUnstartedServer(h)
	two.EnableHTTP2 = true
	two.StartTLS()
	t.Cleanup(one.Close)
	t.Cleanup(two.Close)
	return map[string]string{"HTTP/1.1": one.URL, "HTTP/2.0": two.URL}
}

func notes(e *capture.Entry) string {
	var b strings.Builder
	for _, n := range e.Notes {
		b.WriteString(n.Level + ": " + n.Text + "\n")
	}
	return b.String()
}

func TestEditsOfRequest(t *testing.T) {
	t.Parallel()
	for proto, at := range servers(t, echo) {
		t.Run(proto, func(t *testing.T) {
			b := start(t, forward)
			b.set("~m POST & ~bq before", hold.Request, time.Minute)
			r := request(t, "POST", at+"/a", "before")
			r.Header.Set("X-Test", "1")
			r.Header.Set("Content-Type", "text/plain")
			got := send(b.client(), r)
			h := b.held(1)[0]
			if h.Proto != proto || h.Side != hold.Request {
				t.Fatal(h.Proto, h.Side)
			}
			d := h.Detail()
			if d.Request.Body != "before" || d.Request.Method != "POST" || d.Request.URL != at+"/a" {
				t.Fatalf("got %+v", d.Request)
			}
			b.release(h, `{"method": "PUT", "url": "`+at+`/b?c=d", "headers": {"x-test": "two"}, "body": "after it"}`)
			a := <-got
			if want := "PUT /b?c=d [two] after it"; a.err != nil || a.status != 200 || a.body != want {
				t.Fatalf("got %d %q %v, want %q", a.status, a.body, a.err, want)
			}
			e := b.entry(1)
			if e.Method != "PUT" || e.Target != "/b?c=d" || string(e.RequestBody.Data) != "after it" || e.RequestHeader.Get("Content-Length") != "8" {
				t.Errorf("got %s %s %q %v", e.Method, e.Target, e.RequestBody.Data, e.RequestHeader)
			}
			was := map[string][2]string{}
			for _, c := range e.Edits {
				if was[c.Part] = [2]string{c.Before, c.After}; c.By != "hand" || c.Side != "request" {
					t.Errorf("got %+v", c)
				}
			}
			if diff := cmp.Diff([2]string{"before", "after it"}, was["body"]); diff != "" || len(was) != 4 {
				t.Errorf("got %v", was)
			}
			if text := notes(e); !strings.Contains(text, "released by hand") || !strings.Contains(text, "edited by hand: body, headers, method, url of the request") {
				t.Error(text)
			}
		})
	}
}

func TestEditsOfResponse(t *testing.T) {
	t.Parallel()
	packed := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, `{"state": "ok"}`)
		z.Close()
	}
	for proto, at := range servers(t, packed) {
		t.Run(proto, func(t *testing.T) {
			b := start(t, forward)
			b.set(`~c 200 & ~bs state`, hold.Response, time.Minute)
			got := send(b.client(), request(t, "GET", at+"/a", ""))
			h := b.held(1)[0]
			if d := h.Detail(); d.Response == nil || d.Response.Body != `{"state": "ok"}` || d.Response.Fixed != "" || d.Status != 200 {
				t.Fatalf("got %+v", d.Response)
			}
			b.release(h, `{"status": 503, "headers": {"X-New": "1"}, "body": {"state": "bad"}}`)
			a := <-got
			if a.err != nil || a.status != 503 || a.body != `{"state":"bad"}` || a.header.Get("X-New") != "1" || a.header.Get("Content-Encoding") != "" {
				t.Fatalf("got %+v", a)
			}
			e := b.entry(1)
			if e.Status != 503 || e.Origin != exchange.FromPatch || len(e.Edits) != 3 || string(e.ResponseBody.Data) != `{"state":"bad"}` {
				t.Errorf("got %d %v %v %q", e.Status, e.Origin, e.Edits, e.ResponseBody.Data)
			}
		})
	}
}

// TestNoContent gives a response a body whose status had none.
func TestNoContent(t *testing.T) {
	t.Parallel()
	for proto, at := range servers(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }) {
		b := start(t, forward)
		b.set("~all", hold.Response, time.Minute)
		got := send(b.client(), request(t, "POST", at+"/", "x"))
		h := b.held(1)[0]
		if _, err := hold.ParseChange(`{"body": "more"}`, h); err == nil || !strings.Contains(err.Error(), "a response with the status 204 has none") {
			t.Error(err)
		}
		b.release(h, `{"status": 503, "body": "busy"}`)
		if a := <-got; a.status != 503 || a.body != "busy" {
			t.Errorf("%s: got %+v", proto, a)
		}
		got = send(b.client(), request(t, "HEAD", at+"/", ""))
		h = b.held(1)[0]
		if _, err := hold.ParseChange(`{"status": 200, "body": "more"}`, h); err == nil || !strings.Contains(err.Error(), "a response to HEAD has none") {
			t.Error(err)
		}
		b.release(h, `{"headers": {"X-New": "1"}}`)
		if a := <-got; a.header.Get("X-New") != "1" {
			t.Errorf("%s: got %+v", proto, a)
		}
	}
}

// TestUnchanged releases without a change: all bytes, and their framing, are as they were.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 200_000)
	h := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Sum")
		w.Write(body)
		w.Write([]byte(long))
		w.Header().Set("Sum", "9")
	}
	for proto, at := range servers(t, h) {
		t.Run(proto, func(t *testing.T) {
			b := start(t, forward)
			b.set("~all", hold.Both, time.Minute)
			got := send(b.client(), request(t, "POST", at+"/", long+"!"))
			held := b.held(1)[0]
			if d := held.Detail(); d.Side != hold.Request || len(d.Request.Body) != hold.MaxBody || !strings.Contains(d.Request.Fixed, "larger than 1 MiB") {
				t.Fatal(d.Side, len(d.Request.Body), d.Request.Fixed)
			}
			if _, err := hold.ParseChange(`{"body": "x"}`, held); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
				t.Error(err)
			}
			b.release(held, `{"headers": {"X-Test": "1"}}`)
			next := b.held(1)[0]
			if next.ID != held.ID || next.Side != hold.Response {
				t.Fatal(next.ID, next.Side)
			}
			b.release(next, "{}")
			if a := <-got; a.err != nil || a.body != long+"!"+long {
				t.Fatal(a.err, len(a.body))
			}
			if e := b.entry(1); e.Origin != exchange.FromServer || e.ResponseTrailer.Get("Sum") != "9" || e.RequestBody.Size != int64(len(long)+1) {
				t.Error(e.Origin, e.ResponseTrailer, e.RequestBody.Size)
			}
		})
	}
}

func TestAnswerAndAbort(t *testing.T) {
	t.Parallel()
	asked := 0
	for proto, at := range servers(t, func(http.ResponseWriter, *http.Request) { asked++ }) {
		b := start(t, forward)
		b.set("~u /api", hold.Request, time.Minute)
		got := send(b.client(), request(t, "GET", at+"/api", ""))
		a, err := hold.ParseAnswer(`{"status": 418, "headers": [["X-By", "hand"]], "body": {"tea": true}}`)
		if err != nil || !b.table.Answer(b.held(1)[0], a) {
			t.Fatal(err)
		}
		if a := <-got; a.status != 418 || a.body != `{"tea":true}` || a.header.Get("X-By") != "hand" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %+v", proto, a)
		}
		got = send(b.client(), request(t, "GET", at+"/api", ""))
		if !b.table.Abort(b.held(1)[0]) {
			t.Fatal("not held")
		}
		if a := <-got; a.err == nil {
			t.Errorf("%s: got %+v, want an error", proto, a)
		}
		if e := b.entry(2); e.Error != "fault: aborted by hand" || !strings.Contains(notes(e), "aborted by hand") {
			t.Error(e.Error, notes(e))
		}
	}
	if asked != 0 {
		t.Errorf("the server was asked %d times", asked)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	for _, at := range servers(t, echo) {
		b := start(t, forward)
		b.set("~all", hold.Both, 30*time.Millisecond)
		if a := <-send(b.client(), request(t, "GET", at+"/", "")); a.status != 200 {
			t.Fatalf("got %+v", a)
		}
		text := notes(b.entry(1))
		if strings.Count(text, "warning: the re") != 2 || !strings.Contains(text, "released unchanged: nobody decided in time") {
			t.Error(text)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	mocked := func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return exchange.Text(200, "ok"), nil
	}
	b := start(t, mocked)
	b.set("~all", hold.Request, time.Minute)
	c := b.client()
	var all []<-chan answer
	for range hold.MaxHeld {
		all = append(all, send(c, request(t, "GET", "http://api.example.com/", "")))
	}
	b.held(hold.MaxHeld)
	if a := <-send(c, request(t, "GET", "http://api.example.com/more", "")); a.status != 200 {
		t.Fatalf("got %+v", a)
	}
	if text := notes(b.entry(1)); b.table.Passed() != 1 || !strings.Contains(text, "the request was not held: 100 others are held already") {
		t.Error(b.table.Passed(), text)
	}
	if n := b.table.Off(); n != hold.MaxHeld {
		t.Errorf("released %d", n)
	}
	for _, got := range all {
		if a := <-got; a.status != 200 {
			t.Fatalf("got %+v", a)
		}
	}
}

// TestDeviceLeaves ends the hold when the device resets its connection, or its stream.
func TestDeviceLeaves(t *testing.T) {
	t.Parallel()
	for proto, at := range servers(t, echo) {
		b := start(t, forward)
		b.set("~all", hold.Request, time.Minute)
		c := b.client()
		c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				err = nc.(*net.TCPConn).SetLinger(0)
			}
			return nc, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		got := send(c, request(t, "GET", at+"/", "").WithContext(ctx))
		h := b.held(1)[0]
		cancel()
		if a := <-got; !errors.Is(a.err, context.Canceled) {
			t.Error(proto, a.err)
		}
		b.held(0)
		if b.table.Release(h, nil) {
			t.Errorf("%s: released after the device left", proto)
		}
		if e := b.entry(1); e.Status != 0 || !strings.Contains(e.Error, "the device") || !strings.Contains(notes(e), "the device has gone") {
			t.Errorf("%s: got %d %q %s", proto, e.Status, e.Error, notes(e))
		}
	}
}

// TestStop releases all when the proxy is stopped.
func TestStop(t *testing.T) {
	t.Parallel()
	b := start(t, func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return exchange.Text(200, "ok"), nil
	})
	b.set("~all", hold.Request, time.Minute)
	got := send(b.client(), request(t, "GET", "http://api.example.com/", ""))
	b.held(1)
	b.table.Stop()
	if a := <-got; a.status != 200 {
		t.Errorf("got %+v", a)
	}
	if a := <-send(b.client(), request(t, "GET", "http://api.example.com/", "")); a.status != 200 {
		t.Errorf("got %+v", a)
	}
	b.table.Run()
	if r, ok := b.table.Rule(); !ok || r.Expr != "~all" {
		t.Error(r, ok)
	}
}

// TestStreams lets bodies that do not end pass when they are released: those of the server,
// and those of the device, of which each piece waits for one of the server.
func TestStreams(t *testing.T) {
	t.Parallel()
	talk := func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		buf := make([]byte, 10)
		for {
			n, err := r.Body.Read(buf)
			w.Write(bytes.ToUpper(buf[:n]))
			rc.Flush()
			if err != nil {
				return
			}
		}
	}
	for proto, at := range servers(t, talk) {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			b := start(t, forward)
			b.set("~all", hold.Both, time.Minute)
			pr, pw := io.Pipe()
			r, err := http.NewRequest("POST", at+"/", pr)
			if err != nil {
				t.Fatal(err)
			}
			c, got := b.client(), make(chan *http.Response, 1)
			go func() {
				res, err := c.Do(r)
				if err != nil {
					t.Error(err)
				}
				got <- res
			}()
			fmt.Fprint(pw, "one")
			h := b.held(1)[0]
			if d := h.Detail(); d.Request.Body != "one" || !strings.Contains(d.Request.Fixed, "3 bytes so far") {
				t.Errorf("got %+v", d.Request)
			}
			b.release(h, "{}")
			h = b.held(1)[0]
			if d := h.Detail(); d.Response == nil || d.Response.Body != "ONE" || !strings.Contains(d.Response.Fixed, "3 bytes so far") {
				t.Errorf("got %+v", d.Response)
			}
			b.release(h, `{"headers": {"X-New": "1"}}`)
			res := <-got
			if res == nil {
				return
			}
			defer res.Body.Close()
			br := bufio.NewReader(res.Body)
			for _, word := range []string{"one", "two", "three"} {
				if word != "one" {
					fmt.Fprint(pw, word)
				}
				buf := make([]byte, len(word))
				if _, err := io.ReadFull(br, buf); err != nil || string(buf) != strings.ToUpper(word) {
					t.Fatal(string(buf), err)
				}
			}
			pw.Close()
			if rest, err := io.ReadAll(br); err != nil || len(rest) > 0 || res.Header.Get("X-New") != "1" {
				t.Error(string(rest), err, res.Header)
			}
		})
	}
}

// TestUploadIsAbandoned aborts a request, and answers one, while more of it comes.
func TestUploadIsAbandoned(t *testing.T) {
	t.Parallel()
	for proto, at := range servers(t, echo) {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			b := start(t, forward)
			b.set("~all", hold.Request, time.Minute)
			for _, abort := range []bool{true, false} {
				pr, pw := io.Pipe()
				r, err := http.NewRequest("POST", at+"/", pr)
				if err != nil {
					t.Fatal(err)
				}
				got := send(b.client(), r)
				fmt.Fprint(pw, "one")
				h := b.held(1)[0]
				if abort {
					b.table.Abort(h)
					b.entry(1)
					pw.CloseWithError(io.ErrUnexpectedEOF) // the client of Go waits for it
					if a := <-got; a.err == nil {
						t.Errorf("got %+v, want an error", a)
					}
					continue
				}
				a, err := hold.ParseAnswer(`{"body": "enough"}`)
				if err != nil || !b.table.Answer(h, a) {
					t.Fatal(err)
				}
				pw.Close() // the proxy reads the rest before it answers over HTTP/1
				if a := <-got; a.body != "enough" {
					t.Errorf("got %+v", a)
				}
			}
		})
	}
}

// TestStreamIsAbandoned closes a response that is held while more of it comes.
func TestStreamIsAbandoned(t *testing.T) {
	t.Parallel()
	left := make(chan struct{}, 2)
	endless := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "first")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	}
	for proto, at := range servers(t, endless) {
		b := start(t, forward)
		b.set("~all", hold.Response, time.Minute)
		got := send(b.client(), request(t, "GET", at+"/", ""))
		a, err := hold.ParseAnswer(`{"body": "instead"}`)
		if err != nil || !b.table.Answer(b.held(1)[0], a) {
			t.Fatal(err)
		}
		if a := <-got; a.body != "instead" {
			t.Errorf("%s: got %+v", proto, a)
		}
		<-left
	}
}

// TestHeaderLines keeps the order, the spelling and odd bytes of lines over HTTP/1.
func TestHeaderLines(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sent := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		br, head := bufio.NewReader(c), ""
		for {
			line, err := br.ReadString('\n')
			if head += line; err != nil || line == "\r\n" {
				break
			}
		}
		sent <- head
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}()
	b := start(t, forward)
	b.set("~all", hold.Request, time.Minute)
	c, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	at := l.Addr().String()
	fmt.Fprintf(c, "GET http://%s/a HTTP/1.1\r\nb-LINE: \xff1\r\nhost: %s\r\nA-line: 2\r\n\r\n", at, at)
	h := b.held(1)[0]
	lines := h.Detail().Request.Headers
	if diff := cmp.Diff([][2]string{{"b-LINE", "ÿ1"}, {"host", at}, {"A-line", "2"}}, lines); diff != "" {
		t.Fatal(diff)
	}
	b.release(h, fmt.Sprintf(`{"url": "http://%s/b", "headers": [["Z-new","0"],["b-LINE","ÿ1"],["A-line","3"],["host","%s"]]}`, at, at))
	want := "GET /b HTTP/1.1\r\nZ-new: 0\r\nb-LINE: \xff1\r\nA-line: 3\r\nhost: " + at + "\r\n\r\n"
	if got := <-sent; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Error(err)
	}
}

// TestDetailIsBounded shows the largest bodies of both sides within what clients take.
func TestDetailIsBounded(t *testing.T) {
	t.Parallel()
	worst := strings.Repeat("\x01", hold.MaxBody)
	b := start(t, func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return exchange.Text(200, worst[1:]), nil
	})
	b.set("~all", hold.Both, time.Minute)
	r := request(t, "POST", "http://api.example.com/", worst)
	r.Header.Set("Content-Type", "text/plain")
	got := send(b.client(), r)
	b.release(b.held(1)[0], "{}")
	h := b.held(1)[0]
	text, err := json.Marshal(h.Detail())
	if err != nil || len(text) > 7<<19 || len(text) < 2*hold.MaxBody {
		t.Errorf("got %d bytes, %v", len(text), err)
	}
	c, err := hold.ParseChange(`{"body_base64": "`+base64.StdEncoding.EncodeToString([]byte(worst))+`"}`, h)
	if err != nil || c == nil {
		t.Error(err)
	}
	b.release(h, "{}")
	if a := <-got; a.body != worst[1:]+"\n" {
		t.Error(a.err, len(a.body))
	}
}

// TestFaultsPass sends a response as it is that breaks off by itself.
func TestFaultsPass(t *testing.T) {
	t.Parallel()
	b := start(t, func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
		return exchange.NewFault("truncate", 3, exchange.Text(200, "whole"))
	})
	b.set("~all", hold.Response, time.Minute)
	if a := <-send(b.client(), request(t, "GET", "http://api.example.com/", "")); !errors.Is(a.err, io.ErrUnexpectedEOF) || a.body != "who" {
		t.Errorf("got %+v", a)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := start(t, forward)
	for _, r := range []struct {
		expr    string
		side    hold.Side
		timeout time.Duration
		want    string
	}{
		{"~zz", hold.Request, time.Second, "column 1"},
		{" ", hold.Request, time.Second, "got no filter expression"},
		{"~all", "left", time.Second, `side: got "left", want request, response or both`},
		{"~all", hold.Both, 0, "timeout: got 0s"},
		{"~all", hold.Both, 2 * time.Hour, "timeout: got 2h0m0s"},
	} {
		if err := b.table.Set(r.expr, r.side, r.timeout); err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("%v: got %v", r, err)
		}
	}
	b.set("~all", hold.Request, time.Minute)
	got := send(b.client(), request(t, "GET", "http://127.0.0.1:1/", ""))
	h := b.held(1)[0]
	for text, want := range map[string]string{
		`[]`:                                      "want an object",
		`{"status": 200}`:                         `got the key "status", want method, url`,
		`{"method": "A B"}`:                       `method: "A B" is no method`,
		`{"url": "ftp://a/"}`:                     "url: ",
		`{"headers": {"a b": "1"}}`:               `headers: "a b" is no name of a header`,
		`{"headers": [["a", "1\n"]]}`:             "headers: a: got a value with control characters",
		`{"headers": [["a"]]}`:                    "want a list of [name, value]",
		`{"headers": {"Transfer-Encoding": "x"}}`: "the proxy writes Transfer-Encoding itself",
		`{"body_base64": "*"}`:                    "body_base64: illegal base64",
		`{"body": 1, "method": 2}`:                "method: got 2, want a text",
	} {
		if _, err := hold.ParseChange(text, h); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	if _, err := hold.ParseAnswer(`{"status": 99}`); err == nil || !strings.Contains(err.Error(), "status: got 99, want 200 to 599") {
		t.Error(err)
	}
	b.table.ReleaseAll()
	<-got
}

func FuzzParseChange(f *testing.F) {
	f.Add(`{"method": "PUT", "url": "/x", "headers": {"A": null, "B": "1"}, "body": {"a": [1]}}`)
	f.Add(`{"headers": [["a", "b"]], "body_base64": "AA=="}`)
	f.Fuzz(func(t *testing.T, text string) {
		h := &hold.Held{Side: hold.Request, Request: hold.Message{Method: "GET", URL: "http://a/", Header: exchange.HeaderOf("Host", "a"), Whole: true}}
		if c, err := hold.ParseChange(text, h); (c == nil) == (err == nil) {
			t.Errorf("%q: got %v and %v", text, c, err)
		}
	})
}
