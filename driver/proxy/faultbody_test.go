package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"starproxy/builtins/exchange"
)

// faultyBody is a handler that answers with a fault of the body "0123456789". If the query
// of the request is "chunked", the length of the body is unknown.
func faultyBody(f exchange.Fault) exchange.Handler {
	return exchange.HandlerFunc(func(_ context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		res := &exchange.Response{Status: 200, Header: exchange.HeaderOf("ETag", `"v1"`), Body: exchange.Bytes("0123456789"), Origin: exchange.FromMock}
		if x.Request.RawQuery() == "chunked" {
			res.Body = exchange.Stream(func(_ context.Context, c exchange.Conn) error {
				_, err := c.ReadFrom(strings.NewReader("0123456789"))
				return err
			})
		}
		if x.Request.Path() == "/whole" {
			return res, nil
		}
		return f.Response(res)
	})
}

// came returns all that came over a connection, without the lines that do not matter,
// and how it ended: "end", "reset", or "nothing" if no more comes.
func came(t *testing.T, c net.Conn, patience time.Duration) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	data, err := io.ReadAll(c)
	how := "end"
	var late net.Error
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		how = "reset"
	case errors.As(err, &late) && late.Timeout():
		how = "nothing"
	case err != nil:
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(data), "\r\n"), func(line string) bool {
		return strings.HasPrefix(line, "Date: ") || strings.HasPrefix(line, "ETag: ")
	})
	return strings.Join(append(lines, how), "|")
}

// TestFaultyBodies reads faults of bodies off a socket.
func TestFaultyBodies(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK|"
	const next = ok + "Content-Length: 10|Connection: close||0123456789|end" // to a second request
	for _, c := range []struct {
		name, query string
		f           exchange.Fault
		want        string
	}{
		{"corrupt", "", exchange.Fault{Kind: "corrupt", At: exchange.Offset{Bytes: 3}}, ok + "Content-Length: 10||012\xcc456789" + next},
		{"corrupt several", "", exchange.Fault{Kind: "corrupt", At: exchange.Offset{Bytes: 8}, Count: 5}, ok + "Content-Length: 10||01234567\xc7\xc6" + next},
		{"corrupt from the end", "", exchange.Fault{Kind: "corrupt", At: exchange.Offset{Bytes: -10}}, ok + "Content-Length: 10||\xcf123456789" + next},
		{"corrupt the middle", "", exchange.Fault{Kind: "corrupt"}, ok + "Content-Length: 10||01234\xca6789" + next},
		{"corrupt behind the end", "", exchange.Fault{Kind: "corrupt", At: exchange.Offset{Bytes: 99}}, ok + "Content-Length: 10||012345678\xc6" + next},
		{"corrupt chunks", "chunked", exchange.Fault{Kind: "corrupt"}, ok + "Transfer-Encoding: chunked||a|01234\xca6789|0||" + next},
		{"duplicate", "", exchange.Fault{Kind: "duplicate"}, ok + "Content-Length: 20||01234567890123456789" + next},
		{"duplicate chunks", "chunked", exchange.Fault{Kind: "duplicate"}, ok + "Transfer-Encoding: chunked||a|0123456789|a|0123456789|0||" + next},
		{"duplicate response", "", exchange.Fault{Kind: "duplicate", Whole: true},
			ok + "Content-Length: 10||0123456789" + ok + "Content-Length: 10||0123456789|end"},
		{"duplicate response in chunks", "chunked", exchange.Fault{Kind: "duplicate", Whole: true},
			ok + "Transfer-Encoding: chunked||a|0123456789|0||" + ok + "Content-Length: 10||0123456789|end"},
		{"longer", "", exchange.Fault{Kind: "wrong_length", By: 5}, ok + "Content-Length: 15||0123456789|nothing"},
		{"longer by default", "", exchange.Fault{Kind: "wrong_length"}, ok + "Content-Length: 11||0123456789|nothing"},
		{"shorter", "", exchange.Fault{Kind: "wrong_length", By: -4}, ok + "Content-Length: 6||0123456789|end"},
		{"no length", "", exchange.Fault{Kind: "wrong_length", By: -99}, ok + "Content-Length: 0||0123456789|end"},
		{"a length in place of chunks", "chunked", exchange.Fault{Kind: "wrong_length", Length: 4}, ok + "Content-Length: 4||0123456789|end"},
		{"no length to begin from", "chunked", exchange.Fault{Kind: "wrong_length"}, ok + "Transfer-Encoding: chunked||a|0123456789|0||" + next},
		{"truncate", "", exchange.Fault{Kind: "truncate", After: exchange.Offset{Percent: 40, Relative: true}}, ok + "Content-Length: 10||0123|end"},
		{"truncate chunks", "chunked", exchange.Fault{Kind: "truncate", After: exchange.Offset{Percent: 40, Relative: true}},
			ok + "Transfer-Encoding: chunked||4|0123||end"},
		{"truncate before the body", "", exchange.Fault{Kind: "truncate", After: exchange.Offset{Relative: true}}, ok + "Content-Length: 10|||end"},
		{"stall", "", exchange.Fault{Kind: "stall", After: exchange.Offset{Bytes: 4}}, ok + "Content-Length: 10||0123|nothing"},
		{"pause", "", exchange.Fault{Kind: "stall", After: exchange.Offset{Bytes: 4}, Hold: time.Millisecond}, ok + "Content-Length: 10||0123456789" + next},
		{"pause in chunks", "chunked", exchange.Fault{Kind: "stall", After: exchange.Offset{Percent: 50, Relative: true}, Hold: time.Millisecond},
			ok + "Transfer-Encoding: chunked||5|01234|5|56789|0||" + next},
		{"drip", "", exchange.Fault{Kind: "drip", Rate: 1000}, ok + "Content-Length: 10||0123456789" + next},
		{"drip chunks", "chunked", exchange.Fault{Kind: "drip", Rate: 80}, ok + "Transfer-Encoding: chunked||4|0123|4|4567|2|89|0||" + next},
		{"close", "", exchange.Fault{Kind: "close", Stream: true}, "|end"},
		{"reset", "", exchange.Fault{Kind: "reset", Stream: true}, "|reset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, faultyBody(c.f))
			conn, _ := b.dial()
			fmt.Fprintf(conn, "GET http://a.test/?%s HTTP/1.1\r\nHost: a.test\r\n\r\n"+
				"GET http://a.test/whole HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", c.query)
			patience := 10 * time.Second
			if strings.HasSuffix(c.want, "nothing") {
				patience = 500 * time.Millisecond
			}
			if got := came(t, conn, patience); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestFaultyBodiesTakeTheirTime measures a pause and a drip.
func TestFaultyBodiesTakeTheirTime(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]exchange.Fault{
		"pause before the header": {Kind: "stall", Hold: 80 * time.Millisecond},
		"pause":                   {Kind: "stall", Hold: 80 * time.Millisecond, After: exchange.Offset{Bytes: 9}},
		"drip":                    {Kind: "drip", Rate: 100}, // in pieces of five bytes, of which the first one does not wait
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			least := 80 * time.Millisecond
			if f.Kind == "drip" {
				least = 50 * time.Millisecond
			}
			b := start(t, faultyBody(f))
			begun := time.Now()
			if body, _ := get(t, b.client(false), "http://a.test/"); body != "0123456789" {
				t.Errorf("got %q", body)
			}
			if took := time.Since(begun); took < least {
				t.Errorf("the answer took %v, want at least %v", took, least)
			}
		})
	}
}

// TestFaultyBodiesOfH2 reads faults of bodies over HTTP/2. A fault of one stream leaves
// the connection as it is.
func TestFaultyBodiesOfH2(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		f    exchange.Fault
		want string
	}{
		{"reset", exchange.Fault{Kind: "reset", Stream: true}, "RST INTERNAL_ERROR"},
		{"reset in the body", exchange.Fault{Kind: "reset", Stream: true, After: exchange.Offset{Bytes: 4}}, "HEADERS 10|0123|RST INTERNAL_ERROR"},
		{"corrupt", exchange.Fault{Kind: "corrupt"}, "HEADERS 10|01234\xca6789|END"},
		{"duplicate", exchange.Fault{Kind: "duplicate"}, "HEADERS 20|01234567890123456789|END"},
		{"duplicate response", exchange.Fault{Kind: "duplicate", Whole: true}, "HEADERS 10|0123456789|END"},
		{"shorter", exchange.Fault{Kind: "wrong_length", By: -4}, "HEADERS 6|012345|RST INTERNAL_ERROR"},
		{"drip", exchange.Fault{Kind: "drip", Rate: 1000}, "HEADERS 10|0123456789|END"},
		{"pause", exchange.Fault{Kind: "stall", After: exchange.Offset{Bytes: 4}, Hold: time.Millisecond}, "HEADERS 10|0123456789|END"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, faultyBody(c.f))
			d := b.device("a.test:443", "a.test")
			ask := func(id uint32, path string) string {
				d.headers(id, true, ":method", "GET", ":path", path, ":authority", "a.test", ":scheme", "https")
				return h2Summary(d.stream())
			}
			if got := ask(1, "/"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got, want := ask(3, "/whole"), "HEADERS 10|0123456789|END"; got != want {
				t.Errorf("the next request on the connection: got %q, want %q", got, want)
			}
		})
	}
}

// h2Summary returns the announced length, the body and the end of an answer.
func h2Summary(frames []string) string {
	var b strings.Builder
	for _, f := range frames {
		kind, rest, _ := strings.Cut(f, " ")
		kind, end := strings.CutSuffix(kind, "+END")
		switch kind {
		case "HEADERS":
			_, length, _ := strings.Cut(rest, "content-length=")
			length, _, _ = strings.Cut(length, " ")
			b.WriteString("HEADERS " + length + "|")
		case "DATA":
			var data string
			fmt.Sscanf(rest, "%q", &data)
			b.WriteString(data)
		default:
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "|") {
				b.WriteString("|")
			}
			b.WriteString(f)
		}
		if end {
			b.WriteString("|END")
		}
	}
	return b.String()
}

// TestFaultsOfRealServers breaks answers of a real server, whose bodies are passed on
// while they come: the device has the first half before the server sends the second.
func TestFaultsOfRealServers(t *testing.T) {
	t.Parallel()
	for _, length := range []string{"Content-Length: 10\r\n\r\n", "Connection: close\r\n\r\n"} {
		had := make(chan bool)
		o := rawOrigin(t, func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n"+length+"01234")
			<-had
			io.WriteString(c, "56789")
		})
		b := start(t, exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
			res, err := x.Forward(ctx)
			if err != nil {
				return nil, err
			}
			return exchange.Fault{Kind: "corrupt", At: exchange.Offset{Bytes: 7}}.Response(res)
		}))
		conn, br := b.dial()
		fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", o, o)
		var head strings.Builder
		for !strings.HasSuffix(head.String(), "01234") {
			c, err := br.ReadByte()
			if err != nil {
				t.Fatalf("%v after %q", err, head.String())
			}
			head.WriteByte(c)
		}
		close(had)
		rest, err := io.ReadAll(br)
		if err != nil || !strings.Contains(string(rest), "56\xc889") {
			t.Errorf("%q: got %q, %v", length, rest, err)
		}
		if e := b.entry(t); e.Origin != exchange.FromPatch || e.Error != "" {
			t.Errorf("the entry says %v, %q", e.Origin, e.Error)
		}
	}
}
