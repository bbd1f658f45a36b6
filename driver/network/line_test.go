package network

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"starproxy/builtins/follow"
)

// onLine returns a device's end of a connection, and the proxy's end on the network of
// a table.
func onLine(t *testing.T, table *Table) (device net.Conn, l *Line) {
	t.Helper()
	device, proxy := net.Pipe()
	l = table.Line(proxy, time.Time{}, time.Time{})
	t.Cleanup(func() {
		device.Close()
		l.Cut()
	})
	return device, l
}

func tableWith(p Profile) *Table {
	seed := uint64(1)
	t := New(Options{Seed: &seed})
	t.Set(Key{}, p)
	return t
}

// transfer sends n bytes from one connection to another in writes of some size, and
// returns how long it took until the first and until the last byte came.
func transfer(t *testing.T, from io.Writer, to io.Reader, n, size int) (first, last time.Duration) {
	t.Helper()
	sent := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
	start, written := time.Now(), make(chan struct{})
	go func() {
		defer close(written)
		for b := sent; len(b) > 0; b = b[min(size, len(b)):] {
			if _, err := from.Write(b[:min(size, len(b))]); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	got := make([]byte, n)
	if _, err := io.ReadFull(to, got[:1]); err != nil {
		t.Fatal(err)
	}
	first = time.Since(start)
	if _, err := io.ReadFull(to, got[1:]); err != nil {
		t.Fatal(err)
	}
	last = time.Since(start)
	<-written
	if sha256.Sum256(got) != sha256.Sum256(sent) {
		t.Error("the bytes that came are not those that were sent")
	}
	return first, last
}

// Bytes pass at the rate, in both directions and for writes of any size, and the first
// one waits for the latency alone.
func TestRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []Rate{10 * Kbit, 14400, 400 * Kbit, 8100 * Kbit, 50 * Mbit} {
		for _, size := range []int{100, 16 << 10, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				const latency = 300 * time.Millisecond
				table := tableWith(Profile{Down: rate, Up: rate / 2, Latency: latency})
				device, l := onLine(t, table)
				n := rate.carries(4 * time.Second)
				if size == 100 {
					n = min(n, 1<<16)
				}
				for _, way := range []struct {
					name     string
					from, to net.Conn
					rate     Rate
				}{{"down", l, device, rate}, {"up", device, l, rate / 2}} {
					first, last := transfer(t, way.from, way.to, n, size)
					chunk := way.rate.lasts(min(max(way.rate.carries(chunkTime), minChunk), maxChunk)) + time.Millisecond
					if first < latency/2 || first > latency/2+chunk {
						t.Errorf("%s %s in writes of %d: the first byte came after %s, want %s", way.name, way.rate, size, first, latency/2)
					}
					want := way.rate.lasts(n) + latency/2
					if diff := (last - want).Abs(); diff > want/100+time.Millisecond {
						t.Errorf("%s %s in writes of %d: %d bytes took %s, want %s", way.name, way.rate, size, n, last, want)
					}
				}
			})
		}
	}
}

// The connections of a client share its link.
func TestSharedLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := tableWith(Profile{Down: 80 * Kbit})
		took := make(chan time.Duration, 2)
		for range 2 {
			device, l := onLine(t, table)
			go func() {
				_, last := transfer(t, l, device, 10_000, 1000)
				took <- last
			}()
		}
		if a, b := <-took, <-took; max(a, b).Round(50*time.Millisecond) != 2*time.Second || min(a, b) < 1800*time.Millisecond {
			t.Errorf("two transfers of 10 kB at 80 kbit/s took %s and %s, want 2s", a, b)
		}
	})
}

// A change of the table is in force at once for a connection that is open, also while
// it sleeps.
func TestChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := New(Options{})
		device, l := onLine(t, table)
		if _, last := transfer(t, l, device, 1<<20, 1<<20); last != 0 {
			t.Errorf("without a profile: 1 MiB took %s, want no time", last)
		}
		table.Set(Key{}, Profile{Offline: true})
		start := time.Now()
		time.AfterFunc(time.Minute, func() { table.Set(Key{}, Profile{Down: 80 * Kbit, Latency: time.Minute}) })
		time.AfterFunc(time.Minute+time.Second, func() { table.Clear(nil) })
		if first, last := transfer(t, l, device, 1<<20, 1<<20); first != last || time.Since(start) != time.Minute+time.Second {
			t.Errorf("the first byte came after %s and the last one after %s, want 1m1s", first, last)
		}
		// And back again: nothing of the line is left.
		if _, last := transfer(t, l, device, 1<<20, 1<<20); last != 0 {
			t.Errorf("after the clear: 1 MiB took %s, want no time", last)
		}
		if _, last := transfer(t, device, l, 1<<20, 1<<20); last != 0 {
			t.Errorf("after the clear: 1 MiB took %s towards the proxy, want no time", last)
		}
	})
}

// A read that waits on the connection itself comes under a profile that is set
// meanwhile.
func TestSetWhileReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := New(Options{})
		device, l := onLine(t, table)
		start := time.Now()
		go func() {
			time.Sleep(time.Second)
			table.Set(Key{}, Profile{Latency: 500 * time.Millisecond})
			device.Write([]byte("hello"))
		}()
		b := make([]byte, 9)
		n, err := l.Read(b)
		if string(b[:n]) != "hello" || err != nil || time.Since(start) != 1250*time.Millisecond {
			t.Errorf("read %q, %v after %s, want hello after 1.25s", b[:n], err, time.Since(start))
		}
		device.Close()
		if _, err = l.Read(b); err != io.EOF {
			t.Errorf("read at the end: got %v, want EOF", err)
		}
	})
}

// Outages follow the clock of the table, and a turn of it wakes who waits.
func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turned atomic.Int64
		var news follow.Notice
		began := time.Now()
		progress := func() time.Duration { return time.Since(began) + time.Duration(turned.Load()) }
		table := New(Options{Progress: progress, Turned: news.Changed})
		table.Set(Key{}, Profile{Outage: Outage{Every: time.Minute, For: 15 * time.Second}})
		device, l := onLine(t, table)
		if _, last := transfer(t, l, device, 1000, 100); last != 0 {
			t.Errorf("before the outage: took %s, want no time", last)
		}
		time.Sleep(50 * time.Second)
		if _, last := transfer(t, device, l, 1000, 100); last != 10*time.Second {
			t.Errorf("in the outage: took %s, want 10s", last)
		}
		time.Sleep(50 * time.Second)
		time.AfterFunc(2*time.Second, func() {
			turned.Store(int64(9 * time.Second))
			news.Notify()
		})
		if _, last := transfer(t, l, device, 1000, 100); last != 2*time.Second {
			t.Errorf("with a clock that is turned on: took %s, want 2s", last)
		}
	})
}

// The same seed makes the same stalls, and loss that does not end resets the
// connection.
func TestLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := func(loss float64, n int) (stalls []time.Duration, err error) {
			device, l := onLine(t, tableWith(Profile{Loss: loss, Jitter: 20 * time.Millisecond, Latency: 100 * time.Millisecond}))
			go func() {
				for range n {
					if _, err := l.Write([]byte("x")); err != nil {
						return
					}
				}
			}()
			start, b := time.Now(), make([]byte, 1)
			for range n {
				if _, err := device.Read(b); err != nil {
					_, lost := l.Write(b)
					return stalls, errors.Join(err, lost)
				}
				stalls = append(stalls, time.Since(start))
			}
			return stalls, nil
		}
		a, err := run(10, 200)
		if err != nil || a[199] < minRTO {
			t.Fatalf("200 segments at a loss of 10%%: %v after %s, want some stalls", err, a)
		}
		table := tableWith(Profile{Loss: 50})
		r := table.now.Load().rules[0]
		first, _ := r.link(netip.Addr{})
		table.Restart()
		if again, number := table.now.Load().rules[0].link(netip.Addr{}); again == first || number != 1 {
			t.Errorf("after a restart: connection %d of the link, want the first of another one", number)
		}
		if b, _ := run(10, 200); len(b) != len(a) || b[0] != a[0] || b[199] != a[199] {
			t.Errorf("the same seed: the last byte came after %s, then after %s", a[199], b[199])
		}
		start := time.Now()
		if got, err := run(100, 1); !errors.Is(err, ErrLost) || len(got) > 0 || time.Since(start) < 127*minRTO {
			t.Errorf("a loss of 100%%: got %v after %s, want %v after the time-outs", err, time.Since(start), ErrLost)
		}
	})
}

// A device that does not read makes a write wait before much is held.
func TestBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		device, l := onLine(t, tableWith(Profile{Down: 10 * Mbit, Latency: 100 * time.Millisecond}))
		l.SetWriteDeadline(time.Now().Add(time.Hour))
		n, err := l.Write(make([]byte, 64<<20))
		if room := l.halfs[down].room; !errors.Is(err, os.ErrDeadlineExceeded) || n > room+8*maxChunk || room > 1<<20 {
			t.Errorf("a write took %d bytes, %v, want at most %d and the deadline", n, err, room)
		}
		// What was taken arrives.
		got := make([]byte, n)
		if _, err := io.ReadFull(device, got); err != nil {
			t.Error(err)
		}
	})
}

// Deadlines and the end wake a read that sleeps.
func TestEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		device, l := onLine(t, tableWith(Profile{Latency: 2 * time.Second}))
		go device.Write([]byte("late"))
		start, b := time.Now(), make([]byte, 4)
		l.SetReadDeadline(start.Add(100 * time.Millisecond))
		if _, err := l.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("read with a deadline: got %v after %s", err, time.Since(start))
		}
		time.AfterFunc(100*time.Millisecond, func() { l.SetReadDeadline(time.Unix(1, 0)) })
		l.SetReadDeadline(time.Time{})
		if _, err := l.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 200*time.Millisecond {
			t.Errorf("read with a deadline that is set later: got %v after %s", err, time.Since(start))
		}
		l.SetReadDeadline(time.Time{})
		if n, err := l.Read(b); string(b[:n]) != "late" || err != nil || time.Since(start) != time.Second {
			t.Errorf("read: got %q, %v after %s, want late after 1s", b[:n], err, time.Since(start))
		}
		time.AfterFunc(time.Second, func() { l.Close() })
		if _, err := l.Read(b); !errors.Is(err, net.ErrClosed) || time.Since(start) != 2*time.Second {
			t.Errorf("read of a closed line: got %v after %s", err, time.Since(start))
		}
		if _, err := device.Read(b); err != io.EOF {
			t.Errorf("the device: got %v, want EOF", err)
		}
	})
}

// A close leaves the bytes that travel time to arrive; a cut does not.
func TestCloseBehindBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := tableWith(Profile{Latency: 2 * time.Second})
		for name, end := range map[string]func(*Line) error{
			"close": (*Line).Close, "reset": (*Line).Reset, "end": (*Line).CloseWrite,
			"behind": func(l *Line) error { return l.CloseBehind(time.Second) },
		} {
			device, l := onLine(t, table)
			start := time.Now()
			l.Write([]byte("bye"))
			if err := end(l); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got, err := io.ReadAll(device)
			if string(got) != "bye" || err != nil || time.Since(start) != time.Second {
				t.Errorf("%s: the device got %q, %v after %s, want bye after 1s", name, got, err, time.Since(start))
			}
		}
		device, l := onLine(t, table)
		l.Write([]byte("bye"))
		l.Cut()
		if got, err := io.ReadAll(device); len(got) > 0 || err != nil {
			t.Errorf("cut: the device got %q, %v, want nothing", got, err)
		}
	})
}
