package proxy

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"starproxy/builtins/exchange"
)

// A device that gives a stream up is not waited for: the server is told.
func TestH2CancelReachesTheServer(t *testing.T) {
	t.Parallel()
	end := make(chan string, 1)
	addr := h2Origin(t, true, func(o *framed) {
		o.next()
		o.headers(1, false, ":status", "200")
		end <- o.next()
	})
	b := start(t, nil)
	d := b.device(addr, "a.test")
	d.headers(1, false, ":method", "POST", ":path", "/", ":authority", addr, ":scheme", "https")
	if got := d.next(); !strings.HasPrefix(got, "HEADERS ") {
		t.Fatal(got)
	}
	d.fr.WriteRSTStream(1, http2.ErrCodeCancel)
	if got := <-end; got != "RST CANCEL" {
		t.Error(got)
	}
}

// Requests that a server surely has not processed are sent again, with their
// bodies, and so are those that change nothing when a kept connection ends
// (RFC 9113 section 8.7).
func TestH2RequestsAreSentAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method, body string
		fail               func(*framed)
		status             string
	}{
		{"refused", "POST", "12345", func(o *framed) { o.fr.WriteRSTStream(3, http2.ErrCodeRefusedStream) }, "204"},
		{"going away", "POST", "12345", func(o *framed) { o.fr.WriteGoAway(1, http2.ErrCodeNo, nil) }, "204"},
		{"refused without a body", "POST", "", func(o *framed) { o.fr.WriteRSTStream(3, http2.ErrCodeRefusedStream) }, "204"},
		{"closed", "PUT", "12345", func(o *framed) { o.c.Close() }, "204"},
		{"refused without a length", "PATCH", "1234512345", func(o *framed) { o.fr.WriteRSTStream(3, http2.ErrCodeRefusedStream) }, "204"},
		{"closed and not to be repeated", "POST", "12345", func(o *framed) { o.c.Close() }, "502"},
		{"broken by the server", "GET", "", func(o *framed) { o.fr.WriteRSTStream(3, http2.ErrCodeInternal) }, "502"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var failed atomic.Bool
			addr := h2Origin(t, true, func(o *framed) {
				for id := uint32(1); ; id += 2 {
					frames := strings.Join(o.stream(), " ")
					switch {
					case strings.HasPrefix(frames, "ended"):
						return
					case strings.Contains(frames, ":path=/again") && failed.CompareAndSwap(false, true):
						c.fail(o)
						continue
					}
					if strings.Contains(frames, ":path=/again") && strings.Count(frames, "12345") != len(c.body)/5 {
						t.Errorf("repeated as %q", frames)
					}
					o.headers(id, true, ":status", "204")
				}
			})
			b := start(t, nil)
			d := b.device(addr, "a.test")
			d.headers(1, true, ":method", "GET", ":path", "/", ":authority", addr, ":scheme", "https")
			d.stream()
			fields := []string{":method", c.method, ":path", "/again", ":authority", addr, ":scheme", "https"}
			if c.body != "" && c.method != "PATCH" {
				fields = append(fields, "content-length", strconv.Itoa(len(c.body)))
			}
			d.headers(3, c.body == "", fields...)
			if c.body != "" {
				d.fr.WriteData(3, true, []byte(c.body))
			}
			if got := d.stream(); !strings.Contains(got[0], ":status="+c.status) {
				t.Error(got)
			}
		})
	}
}

// A fault ends the device's connection over HTTP/2 as over HTTP/1.1, behind the
// bytes that it let pass: what resumes downloads takes the end of a stream for
// the answer of a server that does not want to.
func TestFaultsCutTheConnectionOfH2(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"truncate", "close", "reset", "garbage", "broken"} {
		for _, after := range []int64{0, 1, 100, 5000, 70_000, 300_000} {
			t.Run(fmt.Sprint(kind, " ", after), func(t *testing.T) {
				t.Parallel()
				b := start(t, exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) {
					whole := &exchange.Response{Status: 203, Origin: exchange.FromReplay, Header: exchange.HeaderOf("X-A", "1"), Body: exchange.Bytes(bytes.Repeat([]byte("."), 400_000))}
					if kind == "broken" { // a recording
						whole.Body = &exchange.Broken{Body: exchange.Bytes(bytes.Repeat([]byte("."), int(after))), N: 400_000}
						return whole, nil
					}
					return exchange.NewFault(kind, after, whole)
				}))
				d := b.device("a.test:443", "a.test")
				d.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
				d.fr.WriteWindowUpdate(0, 1<<20)
				d.headers(1, true, ":method", "GET", ":path", "/", ":authority", "a.test", ":scheme", "https")
				var head, last string
				n := int64(0)
				for !strings.HasPrefix(last, "ended") && !strings.HasPrefix(last, "RST") && !strings.HasPrefix(last, "DATA+END") {
					last = d.next()
					if strings.HasPrefix(last, "HEADERS") {
						head = last
					}
					if strings.HasPrefix(last, "DATA ") {
						n += int64(strings.Count(last, "."))
					}
				}
				if !strings.HasPrefix(last, "ended") {
					t.Errorf("last frame %.100q, want the connection's end", last)
				}
				if head != "" && !strings.Contains(head, ":status=203") {
					t.Errorf("header %q", head)
				}
				if began := after > 0 || kind == "truncate" || kind == "broken"; began != (head != "") || n != after && kind != "reset" || n > after {
					t.Errorf("header %q and %d bytes, want %d", head, n, after)
				}
			})
		}
	}
}
