package bench

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// load is a bounded number of requests from this process. It writes requests
// that are ready-made and reads just as much of the answers as it must, so
// that the server under test has most of the machine.
type load struct {
	lab   *lab
	scale int // divides the number of requests
	round int
	mu    sync.Mutex
	err   error
}

const connections = 8

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// parallel runs f on 8 goroutines until n calls were made in all.
func (l *load) parallel(n int, f func(next func() (int, bool)) error) int {
	n = max(n/l.scale, connections)
	var count atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			if err := f(func() (int, bool) { i := count.Add(1); return int(i) - 1, i <= int64(n) }); err != nil {
				l.fail(err)
			}
		})
	}
	wg.Wait()
	return n
}

func (l *load) keptHTTP(t target) int {
	return l.parallel(40000, func(next func() (int, bool)) error {
		c, err := net.Dial("tcp", t.plain)
		if err != nil {
			return err
		}
		defer c.Close()
		return l.exchange(c, request(t.url("http"), t.proxied), next)
	})
}

func (l *load) keptHTTPS(t target) int {
	return l.parallel(40000, func(next func() (int, bool)) error {
		c, err := l.secure(t, t.host("https"), "http/1.1")
		if err != nil {
			return err
		}
		defer c.Close()
		return l.exchange(c, request(t.url("https"), false), next)
	})
}

// keptScript asks for the mock of a Starlark handler.
func (l *load) keptScript(t target) int {
	return l.parallel(40000, func(next func() (int, bool)) error {
		c, err := net.Dial("tcp", t.plain)
		if err != nil {
			return err
		}
		defer c.Close()
		return l.exchange(c, request("http://"+t.host("http")+"/script/status", t.proxied), next)
	})
}

// keptHTTP2 sends one request after the other on each connection. Its frames are
// written and read by hand, so that the server has most of the machine.
func (l *load) keptHTTP2(t target) int {
	return l.parallel(40000, func(next func() (int, bool)) error {
		c, err := l.secure(t, t.host("https"), "h2")
		if err != nil {
			return err
		}
		defer c.Close()
		return l.streams(c, t.host("https"), next)
	})
}

// streams sends requests over HTTP/2 and reads the answers, as long as next says
// so.
func (l *load) streams(c net.Conn, host string, next func() (int, bool)) error {
	var out, block bytes.Buffer
	fr := http2.NewFramer(&out, bufio.NewReaderSize(c, 64<<10))
	fr.SetReuseFrames()
	enc := hpack.NewEncoder(&block)
	out.WriteString(http2.ClientPreface)
	fr.WriteSettings()
	fr.WriteWindowUpdate(0, 1<<30)
	for id := uint32(1); ; id += 2 {
		if _, ok := next(); !ok {
			return nil
		}
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", "/api/v1/status"},
			{"user-agent", "curl/8.0"}, {"accept", "*/*"}, {"accept-encoding", "gzip"}} {
			enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
		if _, err := c.Write(out.Bytes()); err != nil {
			return err
		}
		out.Reset()
		if err := ended(fr, id); err != nil {
			return err
		}
	}
}

// ended reads frames up to the end of a stream, and acknowledges what asks for it.
func ended(fr *http2.Framer, id uint32) error {
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				fr.WriteSettingsAck()
			}
		case *http2.PingFrame:
			fr.WritePing(true, f.Data)
		case *http2.GoAwayFrame, *http2.RSTStreamFrame:
			return fmt.Errorf("answer %v", f)
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				return nil
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				return nil
			}
		}
	}
}

func (l *load) newConns(t target) int {
	return l.parallel(2000, func(next func() (int, bool)) error {
		for {
			if _, ok := next(); !ok {
				return nil
			}
			if err := l.once(t, t.host("https")); err != nil {
				return err
			}
		}
	})
}

func (l *load) newNames(t target) int {
	return l.parallel(500, func(next func() (int, bool)) error {
		for {
			i, ok := next()
			if !ok {
				return nil
			}
			if err := l.once(t, fmt.Sprintf("h%d-%d.example.test:443", l.round, i)); err != nil {
				return err
			}
		}
	})
}

func (l *load) once(t target, host string) error {
	c, err := l.secure(t, host, "http/1.1")
	if err != nil {
		return err
	}
	defer c.Close()
	done := false
	return l.exchange(c, request("https://"+host+"/api/v1/status", false), func() (int, bool) { d := !done; done = true; return 0, d })
}

func (l *load) big(t target) int {
	return l.parallel(200, func(next func() (int, bool)) error {
		c, err := net.Dial("tcp", t.plain)
		if err != nil {
			return err
		}
		defer c.Close()
		return l.exchange(c, request(t.url("http")[:len(t.url("http"))-len("/api/v1/status")]+"/big", t.proxied), next)
	})
}

// secure makes a TLS connection to host, through the proxy where there is one.
func (l *load) secure(t target, host, protocol string) (net.Conn, error) {
	addr := t.tls
	if t.proxied {
		addr = t.plain
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if t.proxied {
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", host, host)
		var b [4096]byte
		n := 0
		for {
			m, err := c.Read(b[n:])
			if err != nil {
				return nil, err
			}
			if n += m; string(b[n-4:n]) == "\r\n\r\n" {
				break
			}
		}
		if string(b[9:12]) != "200" {
			return nil, fmt.Errorf("CONNECT: %s", b[:n])
		}
	}
	name, _, _ := net.SplitHostPort(host)
	s := tls.Client(c, &tls.Config{ServerName: name, RootCAs: l.lab.roots, InsecureSkipVerify: true, NextProtos: []string{protocol}})
	return s, s.Handshake()
}

// request is ready-made: what a small client such as curl sends.
func request(url string, absolute bool) []byte {
	var host, path string
	scheme := "http://"
	if url[:5] == "https" {
		scheme = "https://"
	}
	rest := url[len(scheme):]
	for i := range rest {
		if rest[i] == '/' {
			host, path = rest[:i], rest[i:]
			break
		}
	}
	if absolute {
		path = url
	}
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n")
}

var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 256<<10) }}

// exchange sends req and reads the answer, as long as next says so.
func (l *load) exchange(c net.Conn, req []byte, next func() (int, bool)) error {
	br := buffers.Get().(*bufio.Reader)
	defer buffers.Put(br)
	br.Reset(c)
	for {
		if _, ok := next(); !ok {
			return nil
		}
		if _, err := c.Write(req); err != nil {
			return err
		}
		if err := answer(br); err != nil {
			return err
		}
	}
}

// answer reads one response with a length or chunks.
func answer(br *bufio.Reader) error {
	length, chunked := -1, false
	for first := true; ; first = false {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch {
		case first:
			if len(line) < 12 || string(line[9:12]) != "200" {
				return fmt.Errorf("answer %q", line)
			}
		case len(line) > 15 && (string(line[:15]) == "Content-Length:" || string(line[:15]) == "content-length:"):
			if length, err = strconv.Atoi(string(line[16 : len(line)-2])); err != nil {
				return err
			}
		case len(line) > 18 && (string(line[:18]) == "Transfer-Encoding:" || string(line[:18]) == "transfer-encoding:"):
			chunked = true
		}
		if len(line) <= 2 {
			break
		}
	}
	if chunked {
		return errors.New("chunked answer")
	}
	_, err := io.CopyN(io.Discard, br, int64(length))
	return err
}
