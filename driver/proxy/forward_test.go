package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// everyWay runs f for plain HTTP, HTTPS over HTTP/1.1 and HTTPS over HTTP/2 on both sides.
func everyWay(t *testing.T, h http.HandlerFunc, f func(t *testing.T, b *bench, c *http.Client, url string)) {
	for _, w := range []struct {
		name       string
		secure, h2 bool
	}{{"http", false, false}, {"https1", true, false}, {"https2", true, true}} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, nil)
			f(t, b, b.client(w.h2), origin(t, w.h2, w.secure, h).URL)
		})
	}
}

func TestForwardIsFaithful(t *testing.T) {
	t.Parallel()
	everyWay(t, func(w http.ResponseWriter, r *http.Request) {
		for _, k := range []string{"Via", "X-Forwarded-For", "Proxy-Connection", "Accept-Encoding", "User-Agent"} {
			if v, ok := r.Header[k]; ok {
				w.Header().Set("Saw-"+k, strings.Join(v, "|"))
			}
		}
		w.Header()["X-Many"] = []string{"a", "b"}
		w.Header()["Date"] = nil
		w.Header()["Content-Type"] = nil
		fmt.Fprint(w, r.Proto, " ", r.Method, " ", r.RequestURI, " ", r.Host, " ", strings.Join(r.Header["X-Twice"], "|"))
	}, func(t *testing.T, b *bench, c *http.Client, url string) {
		req, _ := http.NewRequest("DELETE", url+"/%2F/a%20b?x=%41&y", nil)
		req.Header["X-Twice"] = []string{"1", "2"}
		req.Header["User-Agent"] = nil
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		want := fmt.Sprintf("%s DELETE /%%2F/a%%20b?x=%%41&y %s 1|2", res.Proto, strings.SplitN(url, "//", 2)[1])
		if string(body) != want {
			t.Errorf("got  %s\nwant %s", body, want)
		}
		for k := range res.Header {
			if strings.HasPrefix(k, "Saw-") || k == "Content-Type" || k == "Date" || k == "Via" {
				t.Errorf("%s: %s", k, res.Header[k])
			}
		}
		if !slices.Equal(res.Header["X-Many"], []string{"a", "b"}) {
			t.Error(res.Header)
		}
	})
}

// Names reach the other side, and the entry, as they were spelt.
func TestHeaderNamesAsSent(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		heads := make(chan string, 2)
		answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"x\"\r\nx-lower: 1\r\nWWW-Authenticate: Basic\r\n\r\nok"
		l := rawListener(t, secure, func(c net.Conn, br *bufio.Reader) {
			for {
				head := ""
				for !strings.HasSuffix(head, "\r\n\r\n") {
					line, err := br.ReadString('\n')
					if err != nil {
						return
					}
					head += line
				}
				heads <- head
				io.WriteString(c, answer)
			}
		})
		b := start(t, nil)
		var c net.Conn
		var br *bufio.Reader
		c, br = b.tunnel(l)
		if secure {
			tc := tls.Client(buffered{c, br}, &tls.Config{RootCAs: b.roots, ServerName: "127.0.0.1"})
			c, br = tc, bufio.NewReader(tc)
		}
		for i := range 2 { // the first request of a connection, and a later one
			fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nuser-agent: me\r\nAccept: */*\r\n\r\n", i)
			head := <-heads
			for _, line := range []string{"\r\nX-API-Key: k\r\n", "\r\nuser-agent: me\r\n", "\r\nAccept: */*\r\n"} {
				if !strings.Contains(head, line) {
					t.Errorf("the server did not see %q in %q", line, head)
				}
			}
			var raw strings.Builder
			res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(br, &raw)), nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			for _, line := range []string{"\r\nETag: \"x\"\r\n", "\r\nx-lower: 1\r\n", "\r\nWWW-Authenticate: Basic\r\n"} {
				if !strings.Contains(raw.String(), line) {
					t.Errorf("the device did not see %q in %q", line, raw.String())
				}
			}
		}
		for _, e := range b.journal.Entries(nil) {
			if want := exchange.HeaderOf("Host", "a", "X-API-Key", "k", "user-agent", "me", "Accept", "*/*"); !slices.Equal(e.RequestHeader, want) {
				t.Errorf("request header: got %q, want %q", e.RequestHeader, want)
			}
			if !slices.Contains(e.ResponseHeader, exchange.Field{Name: "ETag", Value: `"x"`}) {
				t.Error(e.ResponseHeader)
			}
			if ev := string(b.journal.Event(e)); !strings.Contains(ev, `"X-API-Key":"k"`) || !strings.Contains(ev, `"ETag":`) {
				t.Error(ev)
			}
		}
	}
}

// rawListener is a server that f serves connection by connection.
func rawListener(t testing.TB, secure bool, f func(net.Conn, *bufio.Reader)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	addr := l.Addr().String()
	if secure {
		a, err := testCA()
		if err != nil {
			t.Fatal(err)
		}
		l = tls.NewListener(l, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return a.Certificate(h, "127.0.0.1", nil) }})
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c, bufio.NewReader(c))
			}()
		}
	}()
	return addr
}

func TestForwardOptionsStar(t *testing.T) {
	t.Parallel()
	o := rawOrigin(t, func(c net.Conn) { say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal")(c) })
	b := start(t, nil)
	c, br := b.tunnel(o)
	fmt.Fprintf(c, "OPTIONS * HTTP/1.1\r\nHost: %s\r\n\r\n", o)
	expectBody(t, br, "OPTIONS", "real")
	if e := b.journal.Entries(nil)[0]; e.Target != "*" {
		t.Error(e.Target)
	}
}

func TestForwardLeavesGzipAlone(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, "hello")
	z.Close()
	everyWay(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip") // whether asked for or not
		w.Write(zipped.Bytes())
	}, func(t *testing.T, b *bench, c *http.Client, url string) {
		if body, res := get(t, c, url); body != zipped.String() || res.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%q %v", body, res.Header)
		}
	})
}

// What a server sends reaches the device before the server goes on.
func TestForwardStreams(t *testing.T) {
	t.Parallel()
	type step struct{}
	next := make(chan step)
	for _, length := range []bool{false, true} {
		h := func(w http.ResponseWriter, r *http.Request) {
			if length {
				w.Header().Set("Content-Length", "8")
			} else {
				w.Header().Set("Content-Type", "text/event-stream")
			}
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			for i := range 4 {
				<-next
				fmt.Fprintf(w, "%d\n", i)
				w.(http.Flusher).Flush()
			}
		}
		for _, h2 := range []bool{false, true} {
			b := start(t, nil)
			res, err := b.client(h2).Get(origin(t, h2, h2, h).URL) // the header comes before any body byte
			if err != nil {
				t.Fatal(err)
			}
			br := bufio.NewReader(res.Body)
			for i := range 4 {
				next <- step{}
				if l, err := br.ReadString('\n'); l != fmt.Sprintln(i) || err != nil {
					t.Fatal(l, err)
				}
			}
			if _, err := br.ReadByte(); err != io.EOF {
				t.Error(err)
			}
			res.Body.Close()
		}
	}
}

func TestForwardTrailers(t *testing.T) {
	t.Parallel()
	everyWay(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(200)
		fmt.Fprint(w, "body")
		w.Header().Set("X-Sum", "42 "+r.Trailer.Get("X-Up"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	}, func(t *testing.T, b *bench, c *http.Client, url string) {
		req, _ := http.NewRequest("POST", url, struct{ io.Reader }{strings.NewReader("up")})
		req.Trailer = http.Header{"X-Up": {"sent"}}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.Trailer.Get("X-Sum") != "42 sent" || res.Trailer.Get("X-Late") != "late" {
			t.Error(res.Trailer)
		}
		if e := b.journal.Entries(nil)[0]; e.ResponseTrailer.Get("X-Sum") != "42 sent" || e.RequestTrailer.Get("X-Up") != "sent" {
			t.Error(e.ResponseTrailer, e.RequestTrailer)
		}
	})
}

func TestForwardExpectContinue(t *testing.T) {
	t.Parallel()
	o := origin(t, false, false, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %q", b, r.Header["Expect"])
	})
	b := start(t, nil)
	c, br := b.dial()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", o.URL)
	if l, err := br.ReadString('\n'); !strings.HasPrefix(l, "HTTP/1.1 100 ") {
		t.Fatal(l, err)
	}
	br.ReadString('\n')
	io.WriteString(c, "ok")
	expectBody(t, br, "POST", "ok []")
}

func TestForwardEarlyHints(t *testing.T) {
	t.Parallel()
	everyWay(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(103)
		w.Header().Del("Link")
		fmt.Fprint(w, "final")
	}, func(t *testing.T, b *bench, c *http.Client, url string) {
		if body, res := get(t, c, url); body != "final" || res.StatusCode != 200 || res.Header.Get("Link") != "" {
			t.Error(body, res.Status, res.Header)
		}
	})
}

// An answer that comes before the upload is done reaches the device, and
// bytes go both ways at once.
func TestForwardBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	everyWay(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		br := bufio.NewReader(r.Body)
		for {
			l, err := br.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(w, "re:", l)
			w.(http.Flusher).Flush()
		}
	}, func(t *testing.T, b *bench, c *http.Client, url string) {
		pr, pw := io.Pipe()
		res, err := c.Post(url, "text/plain", pr)
		if err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(res.Body)
		for i := range 3 {
			fmt.Fprintf(pw, "m%d\n", i)
			if l, err := br.ReadString('\n'); l != fmt.Sprintf("re:m%d\n", i) {
				t.Fatal(l, err)
			}
		}
		pw.Close()
		if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
			t.Errorf("%q %v", rest, err)
		}
		res.Body.Close()
	})
}

func TestForwardLargeBodies(t *testing.T) {
	t.Parallel()
	big := make([]byte, 6<<20)
	for i := range big {
		big[i] = byte(i * 7 >> 3)
	}
	everyWay(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	}, func(t *testing.T, b *bench, c *http.Client, url string) {
		for _, n := range []int{100, inlineBody, inlineBody + 1, len(big)} {
			res, err := c.Post(url, "application/octet-stream", bytes.NewReader(big[:n]))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || !bytes.Equal(got, big[:n]) {
				t.Fatalf("%d: got %d bytes, %v", n, len(got), err)
			}
		}
		for i, e := range b.journal.Entries(nil) {
			for _, blob := range []capture.Blob{e.RequestBody, e.ResponseBody} {
				r, err := capture.OpenBody(blob)
				if err != nil {
					t.Fatal(err)
				}
				kept, _ := io.ReadAll(r)
				r.Close()
				if int64(len(kept)) != blob.Size || blob.Truncated || !bytes.Equal(kept, big[:len(kept)]) {
					t.Errorf("entry %d: kept %d of %d bytes", i, len(kept), blob.Size)
				}
			}
		}
	})
}
