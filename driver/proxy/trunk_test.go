package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// One of three proxies is stopped, started and restarted, over and over: the
// connections of the others, new and kept ones, go on without a loss, and those
// of the restarted one wait.
func TestDemuxProxiesComeAndGo(t *testing.T) {
	t.Parallel()
	d := NewDemux(nil)
	a := open(t, d.Join("127.0.0.1", 0, selected(t, "127.0.0.2"), 0), "a")
	b := open(t, d.Join("127.0.0.1", 0, selected(t, "user bob"), 0), "b")
	m := d.Join("127.0.0.1", 0, Selection{}, 0)
	c := open(t, m, "c")
	if a.addr() != b.addr() || b.addr() != c.addr() {
		t.Fatalf("got the addresses %s, %s and %s, want one", a.addr(), b.addr(), c.addr())
	}
	var over atomic.Bool
	var asked [2]atomic.Int64
	var wg sync.WaitGroup
	for i, who := range []device{{from: "127.0.0.2"}, {user: "bob"}} {
		want := "200 HTTP/1.1 " + string(rune('a'+i)) + " HTTP/1.1 GET http://h.test/ 0"
		for range 2 {
			wg.Go(func() {
				kept := who.client(t, a.bench, false)
				for !over.Load() {
					if got := who.ask(t, a.bench, "http://h.test/", false); got != want {
						t.Errorf("%+v: got %s, want %s", who, got, want)
						return
					}
					if _, res := get(t, kept, "http://h.test/"); res.StatusCode != 200 {
						t.Errorf("%+v: kept: got %s", who, res.Status)
						return
					}
					asked[i].Add(1)
				}
			})
		}
	}
	for i := range 20 {
		before := asked[0].Load() + asked[1].Load()
		if i%2 == 0 {
			l, err := c.p.Share()
			if err != nil {
				t.Fatal(err)
			}
			c.p.Close(context.Background())
			answer := make(chan string) // of a device that comes meanwhile
			go func() { answer <- device{}.ask(t, a.bench, "http://h.test/", false) }()
			c = &desk{start(t, named("c"), func(cfg *Config) { cfg.Listener = l }), m}
			if got := <-answer; got != "200 HTTP/1.1 c HTTP/1.1 GET http://h.test/ 0" {
				t.Errorf("during a restart: got %s", got)
			}
		} else {
			c.p.Close(context.Background())
			if got := (device{}).ask(t, a.bench, "http://h.test/", false); !strings.HasPrefix(got, "503 ") {
				t.Errorf("while it is stopped: got %s, want 503", got)
			}
			c = open(t, m, "c")
		}
		if got := (device{}).ask(t, a.bench, "http://h.test/", false); got != "200 HTTP/1.1 c HTTP/1.1 GET http://h.test/ 0" {
			t.Errorf("after round %d: got %s", i, got)
		}
		await(t, "the others are served", func() bool { return t.Failed() || asked[0].Load()+asked[1].Load() > before })
	}
	over.Store(true)
	wg.Wait()

	// With the last one the socket goes, and what is unfinished on it; the port comes back.
	half, err := device{}.dial(a.bench)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	io.WriteString(half, "GET http://h.test/ HT")
	addr := a.addr()
	for _, x := range []*desk{a, b, c} {
		x.p.Close(context.Background())
	}
	half.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := half.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an unfinished request at the end: got %v, want a closed connection", err)
	}
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.Close()
		t.Error("the socket is open without a proxy")
	}
	if again := open(t, m, "c"); again.addr() != addr {
		t.Errorf("port 0 again: got %s, want %s as before", again.addr(), addr)
	}
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// A device that says nothing is not waited for longer than its proxy would.
func TestDemuxIdle(t *testing.T) {
	t.Parallel()
	d := NewDemux(nil)
	m := d.Join("127.0.0.1", 0, selected(t, "user ann"), 50*time.Millisecond)
	b := open(t, m, "ann").bench
	for _, send := range []string{"", "GET http://h.test/ HTTP/1.1\r\n"} {
		c, _ := b.dial()
		io.WriteString(c, send)
		if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%q: got %d bytes, %v, want a closed connection", send, n, err)
		}
	}
	await(t, "nothing is held", func() bool {
		tr := b.p.branch.trunk
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return len(tr.new) == 0
	})
}
