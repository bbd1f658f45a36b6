package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// A server that fails is named with the reason in words: in the answer to the
// device and in the entry.
func TestServersFaults(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct{ name, answer, want string }{
		{"nothing", "", "the server closed the connection without an answer"},
		{"part of a status line", "HTTP/1.1 2", "the server closed the connection in the middle of its answer's header"},
		{"part of a header", head + "X: y", "the server closed the connection in the middle of its answer's header"},
		{"no HTTP", "220 mail.example ESMTP\r\n", `the server's answer is malformed: it begins with "220 mail.example ESMTP\r", want HTTP/1.1 and a status`},
		{"status is no number", "HTTP/1.1 abc OK\r\n\r\n", `the server's answer is malformed: status: got "abc"`},
		{"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", `the server's answer is malformed: status: got "20"`},
		{"version", "HTTP/one 200 OK\r\n\r\n", `the server's answer is malformed: version: got "HTTP/one"`},
		{"no colon", head + "nonsense\r\n\r\n", "the server's answer is malformed: header line 1: got no colon"},
		{"TLS", "\x15\x03\x01\x00\x02\x02\x28", "the server's answer is malformed: it begins with"},
		{"control character in a name", head + "a\x01b: c\r\n\r\n", "the server's answer is malformed: header line 1: name: got"},
		{"NUL in a value", head + "A: b\x00c\r\nContent-Length: 0\r\n\r\n", "the server's answer is malformed: header line 1: A: want a value without CR and NUL"},
		{"length is no number", head + "Content-Length: x\r\n\r\n", `the server's answer is malformed: Content-Length: got "x"`},
		{"negative length", head + "Content-Length: -1\r\n\r\n", `the server's answer is malformed: Content-Length: got "-1"`},
		{"two lengths", head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", `the server's answer is malformed: Content-Length: got "1" and "2", want one`},
		{"transfer coding", head + "Transfer-Encoding: rot13\r\n\r\nnop", `the server's answer is malformed: Transfer-Encoding: got "rot13", want chunked`},
		{"gzip before chunked", head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", `the server's answer is malformed: Transfer-Encoding: got "gzip, chunked", want chunked`},
		{"header too large", head + "X: " + strings.Repeat("y", 2<<20), "response header over 1 MiB"},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, "/", secure), func(t *testing.T) {
				t.Parallel()
				target := rawListener(t, secure, func(conn net.Conn, br *bufio.Reader) {
					readHead(br)
					io.WriteString(conn, c.answer)
				})
				b := start(t, nil, noPanics(t))
				conn, br := b.talk(target, secure)
				fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				res, body := wholeAnswer(t, br)
				if res.StatusCode != 502 || !strings.Contains(body, c.want) {
					t.Errorf("%s %q, want 502 and %q", res.Status, body, c.want)
				}
				e := b.entry(t)
				if e.Status != 0 || e.Origin != exchange.FromProxy || !strings.HasPrefix(e.Error, target+": ") || !strings.Contains(e.Error, c.want) {
					t.Errorf("the entry has status %d and %q, want %q", e.Status, e.Error, c.want)
				}
			})
		}
	}
}

// entry waits for the first entry.
func (b *bench) entry(t *testing.T) *capture.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := b.journal.Wait(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A body that breaks off is told with the reason; its status stays.
func TestServersFaultsInBodies(t *testing.T) {
	t.Parallel()
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct{ name, answer, want string }{
		{"too short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "the server closed the connection in the middle of its answer"},
		{"large and too short", "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + strings.Repeat("x", 300_000), "the server closed the connection in the middle of its answer"},
		{"no last chunk", chunked + "3\r\nabc\r\n", "the server closed the connection in the middle of its answer"},
		{"part of a chunk", chunked + "9\r\nabc", "the server closed the connection in the middle of its answer"},
		{"chunk size", chunked + "3\r\nabc\r\nxyz\r\nabc\r\n", `the server's answer is malformed: chunk size: got "xyz", want hexadecimal digits`},
		{"chunk end", chunked + "3\r\nabcdef\r\n", "the server's answer is malformed: chunk: got more bytes than its size, want CR LF behind it"},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, "/", secure), func(t *testing.T) {
				t.Parallel()
				target := rawListener(t, secure, func(conn net.Conn, br *bufio.Reader) {
					readHead(br)
					io.WriteString(conn, c.answer)
				})
				b := start(t, nil, noPanics(t))
				conn, br := b.talk(target, secure)
				fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(res.Body); err == nil || !strings.HasPrefix(string(body), "abc") && len(body) != 300_000 {
					t.Errorf("the device got %d bytes: %v", len(body), err)
				}
				if e := b.entry(t); e.Status != 200 || e.Error != target+": "+c.want {
					t.Errorf("the entry has status %d and %q, want %q", e.Status, e.Error, c.want)
				}
			})
		}
	}
}

// A device that leaves, or that sends what is malformed, is told as the device.
func TestDevicesFaults(t *testing.T) {
	t.Parallel()
	read := func(conn net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) }
	flood := func(conn net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
		for b := make([]byte, 100_000); ; {
			if _, err := conn.Write(b); err != nil {
				return
			}
		}
	}
	chunks := func(conn net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for b := fmt.Sprintf("%x\r\n%s\r\n", 100_000, strings.Repeat("x", 100_000)); ; {
			if _, err := io.WriteString(conn, b); err != nil {
				return
			}
		}
	}
	for _, c := range []struct {
		name, request string
		server        func(net.Conn, *bufio.Reader)
		status        int // of the entry
		want          string
	}{
		{"leaves in an upload", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nabc", read, 0, " the connection in the middle of its upload"},
		{"leaves in a short upload", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc", read, 0, " the connection in the middle of its upload"},
		{"leaves in a chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", read, 0, " the connection in the middle of its upload"},
		{"leaves before the answer", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", read, 0, "the device closed the connection before it had its answer"},
		{"leaves in a download", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", flood, 200, " the connection before it had its whole answer"},
		{"leaves in a chunked download", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", chunks, 200, " the connection before it had its whole answer"},
	} {
		for _, secure := range []bool{false, true} {
			for _, reset := range []bool{false, true} {
				t.Run(fmt.Sprint(c.name, "/", secure, "/", reset), func(t *testing.T) {
					t.Parallel()
					heard := make(chan struct{})
					target := rawListener(t, secure, func(conn net.Conn, br *bufio.Reader) {
						if strings.Contains(c.request, "Content-Length: 5\r") {
							return // the proxy waits for the body first
						}
						br.Peek(1)
						close(heard)
						c.server(conn, br)
					})
					b := start(t, nil, noPanics(t))
					conn, br := b.talk(target, secure)
					io.WriteString(conn, c.request)
					if !strings.Contains(c.request, "Content-Length: 5\r") {
						<-heard
					}
					if c.status == 200 {
						br.Peek(1)
					}
					socket := bare(conn)
					if reset {
						socket.SetLinger(0)
					}
					socket.Close()
					e := b.entry(t)
					if e.Status != c.status || !strings.HasPrefix(e.Error, "the device ") || !strings.HasSuffix(e.Error, strings.TrimPrefix(c.want, "the device closed")) {
						t.Errorf("the entry has status %d and %q, want %d and %q", e.Status, e.Error, c.status, c.want)
					}
				})
			}
		}
	}
}

// A malformed body is refused with the reason, whoever reads it.
func TestDevicesMalformedBody(t *testing.T) {
	t.Parallel()
	target := rawListener(t, false, func(c net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) })
	for name, h := range map[string]exchange.Handler{"forwarded": nil, "read by a mock": echo} {
		for _, body := range []string{"zz\r\nabc\r\n", "3\r\nabcdef\r\n", "3\r\nabc\r\n-1\r\n", strings.Repeat("1", 20) + "\r\n"} {
			b := start(t, h, noPanics(t))
			c, br := b.tunnel(target)
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s", body)
			res, text := wholeAnswer(t, br)
			if res.StatusCode != 400 || !strings.Contains(text, "the device sent a malformed body: ") || !res.Close {
				t.Errorf("%s, %q: %s %q, want 400, the reason and close", name, body, res.Status, text)
			}
			if e := b.entry(t); e.Status != 0 || !strings.HasPrefix(e.Error, "the device sent a malformed body: ") {
				t.Errorf("%s, %q: the entry has status %d and %q", name, body, e.Status, e.Error)
			}
		}
	}
}

// A device that cancels its HTTP/2 stream is told as the device.
func TestDeviceCancelsStream(t *testing.T) {
	t.Parallel()
	for _, upload := range []bool{false, true} {
		heard := make(chan struct{})
		target := rawListener(t, true, func(c net.Conn, br *bufio.Reader) {
			readHead(br)
			close(heard)
			io.Copy(io.Discard, br)
		})
		b := start(t, nil, noPanics(t))
		d := b.device(target, "a.test")
		d.headers(1, !upload, ":method", "POST", ":path", "/", ":authority", "a.test", ":scheme", "https")
		<-heard
		d.fr.WriteRSTStream(1, http2.ErrCodeCancel)
		if e := b.entry(t); e.Status != 0 || !strings.HasPrefix(e.Error, "the device ") {
			t.Errorf("upload %v: the entry has status %d and %q", upload, e.Status, e.Error)
		}
	}
}

// A device that breaks a TLS handshake off, in whatever way, is told as the
// device; after it saw the certificate, with a hint at the CA.
func TestHandshakesThatDevicesBreakOff(t *testing.T) {
	t.Parallel()
	const hint = "device does not trust the CA: most likely, since "
	refuse := func(last func(*net.TCPConn)) func(net.Conn) {
		return func(c net.Conn) {
			tls.Client(c, &tls.Config{InsecureSkipVerify: true, VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error {
				last(bare(c))
				return errors.New("refused")
			}}).Handshake()
		}
	}
	for _, c := range []struct {
		name   string
		device func(net.Conn)
		want   string
	}{
		{"alert", refuse(func(*net.TCPConn) {}), hint + "the device refused the TLS handshake: tls: bad certificate"},
		{"reset", refuse(func(c *net.TCPConn) { c.SetLinger(0); c.Close() }), hint + "the device reset the connection during the TLS handshake"},
		{"close", refuse(func(c *net.TCPConn) { c.Close() }), hint + "the device closed the connection during the TLS handshake"},
		{"half-close", refuse(func(c *net.TCPConn) { c.CloseWrite() }), hint + "the device closed the connection during the TLS handshake"},
		{"other alert", func(c net.Conn) {
			tls.Client(c, &tls.Config{ServerName: "a.test", MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10}).Handshake()
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, echo)
			conn, _ := b.tunnel("a.test:443")
			c.device(conn)
			conn.Close()
			e := b.entry(t)
			if e.Kind != capture.TLSError || c.want != "" && e.Error != c.want || c.want == "" && strings.Contains(e.Error, hint) {
				t.Errorf("kind %v, %q, want %q", e.Kind, e.Error, c.want)
			}
		})
	}
	for err, want := range map[error]string{
		io.EOF:                     "the device closed the connection during the TLS handshake",
		syscall.ECONNRESET:         "the device reset the connection during the TLS handshake",
		os.ErrDeadlineExceeded:     "the device sent nothing for too long during the TLS handshake",
		errors.New("tls: no idea"): "tls: no idea",
	} {
		if got := handshakeReason(err, false, ""); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

// TestHandshakeReasonTellsOfDates blames the dates of the CA, where they are
// wrong, and only where the certificate may be the reason.
func TestHandshakeReasonTellsOfDates(t *testing.T) {
	t.Parallel()
	const problem = "the CA certificate expired on 2020-01-01"
	for text, told := range map[string]bool{
		"remote error: tls: unknown certificate":           true,
		"remote error: tls: expired certificate":           true,
		"remote error: tls: bad certificate":               true,
		"remote error: tls: unknown certificate authority": true,
		"local error: tls: bad record MAC":                 true,
		"remote error: tls: no application protocol":       false,
	} {
		for _, dates := range []string{"", problem} {
			got := handshakeReason(errors.New(text), true, dates)
			if trust := strings.Contains(got, "does not trust the CA"); trust != (told && dates == "") {
				t.Errorf("%s, %q: got %q, want a word about trust: %v", text, dates, got, told && dates == "")
			}
			if strings.Contains(got, problem) != (told && dates != "") {
				t.Errorf("%s, %q: got %q, want the dates: %v", text, dates, got, told && dates != "")
			}
		}
	}
}
