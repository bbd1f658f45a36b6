package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// inFlight waits until the only exchange in flight fulfils a condition.
func inFlight(t testing.TB, j *capture.Journal, ok func(*capture.Open) bool) *capture.Open {
	t.Helper()
	timeout := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond) // bytes that pass wake nobody
	defer tick.Stop()
	for {
		changed := j.Flights().Changed()
		list := j.Flights().List()
		if len(list) == 1 && ok(list[0]) {
			return list[0]
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-timeout:
			for _, o := range list {
				t.Errorf("in flight: %+v %s", o.Entry, o.State)
			}
			t.Fatal("no exchange came into the state that was waited for")
		}
	}
}

func in(s capture.State) func(*capture.Open) bool {
	return func(o *capture.Open) bool { return o.State == s }
}

// cutCase is an exchange that hangs, and what is seen of it.
type cutCase struct {
	mock   exchange.Handler // nil asks the real server
	server http.HandlerFunc
	upload bool // the device sends 1000 bytes, and then nothing
	seen   func(*capture.Open) bool
	// answered says that the header of the answer goes out before the cut.
	answered bool
}

// hangs waits until the request ends.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func cutCases() map[string]cutCase {
	stall, _ := exchange.NewFault("stall", 5, exchange.Text(200, "stalled body"))
	bare, _ := exchange.NewFault("stall", 0, nil)
	answers := func(r *exchange.Response) exchange.Handler {
		return exchange.HandlerFunc(func(context.Context, *exchange.Exchange) (*exchange.Response, error) { return r, nil })
	}
	delayed := exchange.Text(200, "late")
	delayed.Delay = time.Hour
	return map[string]cutCase{
		"server that hangs": {server: hangs, seen: in(capture.Waiting)},
		"event stream": {answered: true, server: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: 1\n\n")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, seen: func(o *capture.Open) bool {
			o.Bodies(100)
			return o.State == capture.Sending && o.Sending && o.Status == 200 && string(o.ResponseBody.Data) == "data: 1\n\n" &&
				o.ResponseHeader.Get("Content-Type") == "text/event-stream"
		}},
		"upload": {server: func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }, upload: true, seen: func(o *capture.Open) bool {
			o.Bodies(10)
			return o.RequestBody.Size == 1000 && string(o.RequestBody.Data) == "uuuuuuuuuu"
		}},
		"script that waits": {mock: exchange.HandlerFunc(func(ctx context.Context, _ *exchange.Exchange) (*exchange.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}), seen: in(capture.Answering)},
		"delay":        {mock: answers(delayed), seen: in(capture.Delayed)},
		"fault stalls": {mock: answers(stall), answered: true, seen: in(capture.Stalled)},
		"bare stall":   {mock: answers(bare), seen: in(capture.Stalled)},
	}
}

func TestExchangesInFlightAreSeenAndCut(t *testing.T) {
	t.Parallel()
	for name, tt := range cutCases() {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/h2=", h2), func(t *testing.T) {
				t.Parallel()
				over := make(chan struct{})
				server := func(w http.ResponseWriter, r *http.Request) {
					defer close(over)
					tt.server(w, r)
				}
				o := origin(t, h2, true, server)
				b := start(t, tt.mock)
				method, body := http.MethodGet, io.Reader(nil)
				r, w := io.Pipe()
				if tt.upload {
					method, body = http.MethodPost, r
					go w.Write([]byte(strings.Repeat("u", 1000)))
				}
				req, _ := http.NewRequestWithContext(t.Context(), method, o.URL+"/path?q=1", body)
				req.Header.Set("X-Mine", "yes")
				end := make(chan error)
				go func() {
					res, err := b.client(h2).Do(req)
					if err == nil {
						if !tt.answered {
							err = fmt.Errorf("got an answer: %s", res.Status)
							t.Error(err)
						} else {
							_, err = io.Copy(io.Discard, res.Body)
						}
						res.Body.Close()
					}
					end <- err
				}()
				seen := inFlight(t, b.journal, tt.seen)
				if name != "bare stall" && (seen.Seq != 0 || seen.RequestHeader.Get("X-Mine") != "yes" || seen.Target != "/path?q=1") {
					t.Errorf("seen: %+v", seen.Entry)
				}
				if !b.journal.Flights().Cut(seen.Live) {
					t.Fatal("it is not in flight any more")
				}
				w.Close() // net/http's client waits for that
				err := <-end
				if err == nil || !h2 && !errors.Is(err, syscall.ECONNRESET) || h2 && !strings.Contains(err.Error(), "stream error") && name != "bare stall" {
					t.Errorf("the device saw %v", err)
				}
				if tt.server != nil {
					<-over // the server sees the end, too
				}
				e, err := b.journal.Wait(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if e.Live != seen.Live {
					t.Errorf("entry of flight %d, want %d", e.Live, seen.Live)
				}
				if name != "bare stall" {
					wantCut(t, e, tt.answered)
				}
				for list := b.journal.Flights().List(); len(list) > 0; list = b.journal.Flights().List() {
					<-b.journal.Flights().Changed()
				}
				if n := len(b.journal.Entries(nil)); n != 1 {
					t.Errorf("%d entries, want 1", n)
				}
			})
		}
	}
}

// wantCut checks that an entry tells of a cut.
func wantCut(t *testing.T, e *capture.Entry, answered bool) {
	t.Helper()
	if e.Error != capture.ErrCut.Error() || !slices.Contains(e.Met(), capture.CutOff) || (e.Status != 0) != answered {
		t.Errorf("error %q, met %q, status %d", e.Error, e.Met(), e.Status)
	}
}

// A stream over HTTP/2 is cut alone: the others of its connection go on.
func TestCutSparesTheOtherStreams(t *testing.T) {
	t.Parallel()
	b := start(t, exchange.HandlerFunc(func(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
		if x.Request.Target == "/hangs" {
			<-ctx.Done()
		}
		return exchange.Text(200, x.Client.String()), nil
	}))
	c := b.client(true)
	before, _ := get(t, c, "https://h.test/")
	end := make(chan error)
	go func() {
		_, err := c.Get("https://h.test/hangs")
		end <- err
	}()
	b.journal.Flights().Cut(inFlight(t, b.journal, in(capture.Answering)).Live)
	if err := <-end; err == nil {
		t.Error("the stream was not cut")
	}
	if after, _ := get(t, c, "https://h.test/"); after != before {
		t.Errorf("the connection from %s is gone, the next one is from %s", before, after)
	}
}

func TestWebSocketIsCut(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		sockets := capture.NewSockets(capture.New(capture.Options{}), capture.Options{})
		defer sockets.Close()
		b := start(t, nil, withSockets(sockets))
		over := make(chan error, 1)
		o := origin(t, false, secure, func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			c.Write(r.Context(), websocket.MessageText, []byte("hello"))
			_, _, err = c.Read(context.Background())
			over <- err
		})
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(o.URL, "http", "ws", 1), &websocket.DialOptions{HTTPClient: b.client(false)})
		if err != nil {
			t.Fatal(err)
		}
		ws.Read(t.Context())
		seen := inFlight(t, b.journal, func(o *capture.Open) bool { return o.State == capture.Joined && o.ResponseBody.Size > 7 })
		if seen.Seq != 1 || seen.Status != 101 {
			t.Errorf("seen: %+v", seen.Entry)
		}
		b.journal.Flights().Cut(seen.Live)
		if _, _, err := ws.Read(t.Context()); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the device saw %v", err)
		}
		if err := <-over; err == nil {
			t.Error("the server saw no end")
		}
		wantCut(t, streamEnd(t, sockets, 1), true)
	}
}

func TestTunnelIsCut(t *testing.T) {
	t.Parallel()
	b, sockets := streams(t)
	over := make(chan struct{})
	nc, br := b.tunnel(peer(t, nil, "220 mail\r\n", func(c net.Conn) {
		go func() {
			defer close(over)
			io.Copy(io.Discard, c)
		}()
	}))
	br.ReadString('\n')
	seen := inFlight(t, b.journal, func(o *capture.Open) bool { return o.State == capture.Joined && o.ResponseBody.Size == 10 })
	b.journal.Flights().Cut(seen.Live)
	if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the device saw %v", err)
	}
	<-over
	e := streamEntry(t, b)
	if e.Live != seen.Live || e.Seq != seen.Seq {
		t.Errorf("entry %d of flight %d, want %d of %d", e.Seq, e.Live, seen.Seq, seen.Live)
	}
	wantCut(t, streamEnd(t, sockets, e.Seq), false)
}

// The phases of the way to a real server, over a new connection and over one that was
// there already.
func TestPhases(t *testing.T) {
	t.Parallel()
	const takes = 30 * time.Millisecond
	for _, h2 := range []bool{false, true} {
		o := origin(t, h2, true, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(takes) // this is what is measured
			io.WriteString(w, "ok")
		})
		b := start(t, nil)
		url := strings.Replace(o.URL, "127.0.0.1", "localhost", 1)
		for _, reused := range []bool{false, true} {
			get(t, b.client(h2), url)
			list := b.journal.Entries(nil)
			e := list[len(list)-1]
			p := e.Phases
			if p.Reused != reused || (p.DNS > 0) == reused || (p.Connect > 0) == reused || (p.TLS > 0) == reused {
				t.Errorf("h2 %v: %+v, want a connection that was there already: %v", h2, p, reused)
			}
			if p.Wait(e.Uploaded) < takes || p.Headed > e.Answered || p.Sent < p.Asked+p.DNS+p.Connect+p.TLS || p.Sent > p.Headed {
				t.Errorf("h2 %v: %+v of %+v", h2, p, e)
			}
		}
	}
}
