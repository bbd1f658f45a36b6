package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// A server that ends a kept connection when it has a request on it gets that
// request again if it is idempotent or surely was not processed, else not.
func TestSentAgain(t *testing.T) {
	t.Parallel()
	chunked := func(n int) string {
		return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("x", n))
	}
	for _, c := range []struct {
		name, method, rest string
		answer             string // of the kept connection, before it ends
		want               int    // status
		times              int    // that the server sees the request
	}{
		{"GET", "GET", "\r\n", "", 200, 2},
		{"HEAD", "HEAD", "\r\n", "", 200, 2},
		{"PUT", "PUT", "Content-Length: 4\r\n\r\nbody", "", 200, 2},
		{"DELETE", "DELETE", "\r\n", "", 200, 2},
		{"PUT, short stream", "PUT", chunked(1000), "", 200, 2},
		{"PUT, long stream", "PUT", chunked(200_000), "", 502, 1},
		{"POST", "POST", "Content-Length: 4\r\n\r\nbody", "", 502, 1},
		{"POST, short stream", "POST", chunked(1000), "", 502, 1},
		{"PATCH", "PATCH", "Content-Length: 4\r\n\r\nbody", "", 502, 1},
		{"GET, answer broken off", "GET", "\r\n", "HTTP/1.1 200 OK\r\nX: ", 200, 2},
		{"POST, out of time", "POST", "Content-Length: 4\r\n\r\nbody", "HTTP/1.1 408 Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 200, 2},
		{"POST, out of time without close", "POST", "Content-Length: 4\r\n\r\nbody", "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n", 408, 1},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, "/", secure), func(t *testing.T) {
				t.Parallel()
				k := newKeeper(t, secure, func(conn net.Conn, n int, r *http.Request) bool {
					if n > 1 {
						io.WriteString(conn, c.answer)
						return false
					}
					answer := okAnswer
					if r.Method == "HEAD" {
						answer = strings.TrimSuffix(answer, "ok")
					}
					io.WriteString(conn, answer)
					return true
				})
				b := start(t, nil, noPanics(t))
				conn, br := b.talk(k.addr, secure)
				fmt.Fprint(conn, "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
				wholeAnswer(t, br)
				fmt.Fprintf(conn, "%s /second HTTP/1.1\r\nHost: a\r\n%s", c.method, c.rest)
				res, err := http.ReadResponse(br, &http.Request{Method: c.method})
				if err != nil {
					t.Fatal(err)
				}
				if res.StatusCode != c.want {
					t.Errorf("%s, want %d", res.Status, c.want)
				}
				if seen := k.requests(); len(seen) != c.times+1 {
					t.Errorf("the server saw %q, want the second %d times", seen, c.times)
				}
			})
		}
	}
}

// A server that refuses an HTTP/2 stream, or says GOAWAY before it, has not
// processed it: it is sent again with its body, streams included.
func TestRefusedStreamIsSentAgain(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"REFUSED_STREAM", "GOAWAY"} {
		for _, end := range []bool{true, false} { // of the body, when the server refuses
			t.Run(fmt.Sprint(way, "/", end), func(t *testing.T) {
				t.Parallel()
				var tries atomic.Int32
				refused := make(chan struct{})
				target := h2Origin(t, true, func(f *framed) {
					for {
						fr, err := f.fr.ReadFrame()
						if err != nil {
							return
						}
						switch fr := fr.(type) {
						case *http2.SettingsFrame:
							if !fr.IsAck() {
								f.fr.WriteSettingsAck()
							}
						case *http2.DataFrame:
							if tries.Add(1) == 1 {
								if way == "GOAWAY" {
									f.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
								} else {
									f.fr.WriteRSTStream(fr.StreamID, http2.ErrCodeRefusedStream)
								}
								close(refused)
								continue
							}
							if fr.StreamEnded() {
								f.headers(fr.StreamID, true, ":status", "200", "x-got", fmt.Sprint(len(fr.Data())))
							}
						}
					}
				})
				b := start(t, nil, noPanics(t))
				d := b.device(target, "a.test")
				d.headers(1, false, ":method", "POST", ":path", "/", ":authority", "a.test", ":scheme", "https")
				d.fr.WriteData(1, end, []byte("body"))
				if !end {
					<-refused
					d.fr.WriteData(1, true, nil)
				}
				if got := strings.Join(d.stream(), " "); !strings.Contains(got, ":status=200") {
					t.Error(got)
				}
			})
		}
	}
}

// A server that wants a request over HTTP/1.1 (RFC 9113 section 7) gets it so,
// with its body, and other requests over HTTP/2 still.
func TestServerThatWantsHTTP1(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method string
		size         int
		length       bool
	}{
		{"no body", "GET", 0, false}, {"bytes", "POST", 5, true}, {"stream", "POST", 5, false}, {"long stream", "POST", 50_000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				fmt.Fprintf(w, "%s %s %d", r.Proto, r.Method, len(b))
			}))
			h2 := h2Handler{func(f *framed) {
				for {
					fr, err := f.fr.ReadFrame()
					if err != nil {
						return
					}
					switch fr := fr.(type) {
					case *http2.SettingsFrame:
						if !fr.IsAck() {
							f.fr.WriteSettingsAck()
						}
					case *http2.MetaHeadersFrame, *http2.DataFrame:
						if c.size == 0 || fr.Header().Type == http2.FrameData {
							f.fr.WriteRSTStream(fr.Header().StreamID, http2.ErrCodeHTTP11Required)
						}
					}
				}
			}}
			srv.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
			srv.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, nc *tls.Conn, _ http.Handler) { h2.serve(t, nc) }}
			srv.StartTLS()
			t.Cleanup(srv.Close)
			addr := srv.Listener.Addr().String()
			b := start(t, nil, noPanics(t))
			d := b.device(addr, "a.test")
			for i := range uint32(2) {
				id := 2*i + 1
				fields := []string{":method", c.method, ":path", "/", ":authority", "a.test", ":scheme", "https"}
				if c.length {
					fields = append(fields, "content-length", fmt.Sprint(c.size))
				}
				d.headers(id, c.size == 0, fields...)
				for left := c.size; left > 0; left -= min(left, 10_000) {
					d.fr.WriteData(id, left <= 10_000, make([]byte, min(left, 10_000)))
				}
				want := fmt.Sprintf("HTTP/1.1 %s %d", c.method, c.size)
				if got := strings.Join(d.stream(), " "); !strings.Contains(got, ":status=200") || !strings.Contains(got, want) {
					t.Errorf("%q, want %q", got, want)
				}
			}
		})
	}
}

// h2Handler serves the frames of a connection that agreed on HTTP/2.
type h2Handler struct{ f func(*framed) }

func (h h2Handler) serve(t testing.TB, c net.Conn) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	o := newFramed(t, c)
	o.fr.WriteSettings()
	h.f(o)
}
