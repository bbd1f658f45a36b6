package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/builtins/exchange"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sample() *Entry {
	return &Entry{
		Start: time.Unix(1700000000, 123456789), Duration: 1500 * time.Microsecond,
		Client: netip.MustParseAddrPort("192.0.2.7:40123"),
		Method: "GET", Scheme: "https", Host: "api.example.com", Port: 443,
		Target: "/api/v1/status?page=2", Proto: "HTTP/2.0", Authority: "api.example.com",
		RequestHeader:  exchange.HeaderOf("User-Agent", "curl/8.5.0", "Accept", "*/*", "Accept-Encoding", "gzip, deflate"),
		Status:         200,
		ResponseHeader: exchange.HeaderOf("Content-Type", "application/json", "Content-Length", "17", "Date", "Tue, 14 Nov 2023 22:13:20 GMT", "Set-Cookie", "a=1", "Set-Cookie", "b=2"),
		ResponseBody:   Blob{Size: 17, Data: []byte(`{"status": "okay"}`)[:17]},
		Origin:         exchange.FromMock, Endpoint: "GET /api/v1/status", Source: "happy.yaml:3",
	}
}

func TestPackKeepsEverything(t *testing.T) {
	t.Parallel()
	full := sample()
	full.Kind, full.Error, full.SNI, full.Way = TLSError, "bad certificate", "api.example.com", "socks5@1080"
	full.RequestTrailer, full.ResponseTrailer = exchange.HeaderOf("Checksum", "1"), exchange.HeaderOf("Checksum", "2")
	full.Unmatched = true
	full.Client = netip.MustParseAddrPort("[fe80::1%eth0]:9")
	full.RequestBody = Blob{Size: 3, Data: []byte{}, Path: "/x", Off: 5, Spooled: true, Truncated: true}
	full.Notes = []exchange.Note{{Level: "warning", Text: strings.Repeat("long ", 100)}, {}}
	full.Edits = []exchange.Edit{{By: "hand", Side: "request", Part: "body", Before: "a", After: strings.Repeat("long ", 100)}, {}}
	full.Target = "/\xff\x00"
	full.RequestHeader = exchange.HeaderOf("hOST", "api.example.com", "accept", "*/*", "X", "", "", "\xff", "Accept", "a", "User-Agent", "curl", "accept", "b")
	full.ResponseHeader = exchange.HeaderOf("Set-Cookie", "a=1", "Date", "now", "Set-Cookie", "b=2", "ETag", strings.Repeat("long ", 100), "set-cookie", "c=3")
	full.Uploaded, full.Answered, full.Conn = time.Microsecond, time.Millisecond, 7
	full.Live, full.Phases = 1000, Phases{Asked: 1, DNS: 2, Connect: 3, TLS: 4, Sent: 5, Headed: 6}
	full.ClientTLS = exchange.TLS{Version: 0x304, Cipher: 0x1301, ALPN: "h2"}
	full.Server = exchange.Peer{Addr: netip.MustParseAddrPort("192.0.2.1:443"), TLS: exchange.TLS{Version: 0x303, Cipher: 0xc02f}}
	comparable := cmpopts.EquateComparable(netip.AddrPort{})
	tried := map[int]bool{}
	for name, e := range map[string]*Entry{"sample": sample(), "full": full, "zero": {}, "kept connection": {Phases: Phases{Asked: 1, Sent: 2, Headed: 3, Reused: true}}, "refused": {Kind: Refused, Status: 400, Error: "no", RequestBody: Blob{Size: 9, Data: []byte("GE\x00"), Truncated: true}}, "message": {Kind: Message, Socket: 9, Binary: true, ResponseBody: Blob{Size: 2, Data: []byte("ab")}},
		"end": {Kind: SocketEnd, Socket: 300, FromClient: true, CloseCode: 1001, CloseReason: "bye", Status: 101}} {
		got, err := unpack(pack(nil, e))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(e, got, comparable); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for i := range reflect.TypeFor[Entry]().NumField() {
			if !reflect.ValueOf(*e).Field(i).IsZero() {
				tried[i] = true
			}
		}
	}
	for i, field := range reflect.VisibleFields(reflect.TypeFor[Entry]()) {
		if !tried[i] && field.Name != "Seq" && field.Name != "Open" {
			t.Errorf("no entry has %s", field.Name)
		}
	}
	packed := pack(nil, full)
	for n := range packed {
		if e, err := unpack(packed[:n]); err == nil {
			t.Fatalf("%d of %d bytes unpacked to %+v", n, len(packed), e)
		}
	}
}

func TestJournalDropsTheOldestWithinItsBudget(t *testing.T) {
	t.Parallel()
	j := New(Options{MaxBytes: 200 << 10})
	defer j.Close()
	for i := range 5000 {
		e := sample()
		e.Status = i
		if i%3 == 0 {
			e.ResponseBody.Data = bytes.Repeat([]byte("x"), 2000)
		}
		if seq := j.Add(e); seq != uint64(i+1) || e.Seq != seq {
			t.Fatalf("entry %d got number %d", i, seq)
		}
		if s := j.Stats(); s.Bytes > s.MaxBytes {
			t.Fatalf("after %d entries: %d bytes in use", i, s.Bytes)
		}
	}
	s := j.Stats()
	list := j.Entries(nil)
	if len(list) != s.Entries || s.Dropped+uint64(s.Entries) != 5000 || s.Total != 5000 || s.Entries < 100 {
		t.Fatalf("%d entries read, stats %+v", len(list), s)
	}
	for i, e := range list {
		if want := 5000 - len(list) + i; e.Status != want || e.Seq != uint64(want+1) {
			t.Fatalf("entry %d: status %d number %d, want status %d", i, e.Status, e.Seq, want)
		}
		want := 17
		if e.Status%3 == 0 {
			want = 2000
		}
		if len(e.ResponseBody.Data) != want {
			t.Fatalf("entry %d: body of %d bytes, want %d", i, len(e.ResponseBody.Data), want)
		}
	}
	if n := j.Clear(); n != s.Entries {
		t.Errorf("cleared %d, want %d", n, s.Entries)
	}
	s = j.Stats()
	if s.Entries != 0 || s.Bytes != 0 || len(j.shares) != 0 {
		t.Errorf("after clear: %+v, %d shares", s, len(j.shares))
	}
	if seq := j.Add(sample()); seq != 5001 {
		t.Errorf("number %d after clear, want 5001", seq)
	}
}

func TestSharedBodyCountsOnce(t *testing.T) {
	t.Parallel()
	j := New(Options{MaxBytes: 1 << 20})
	body := exchange.Bytes(bytes.Repeat([]byte("x"), 200<<10))
	for range 1000 {
		e := sample()
		e.ResponseBody = StoredBlob(body)
		j.Add(e)
	}
	if s := j.Stats(); s.Entries != 1000 || s.Bytes < 200<<10 {
		t.Errorf("stats %+v, want 1000 entries with one body", s)
	}
}

func TestEntryLargerThanTheBudgetKeepsItsHeader(t *testing.T) {
	t.Parallel()
	j := New(Options{MaxBytes: 32 << 10})
	j.Add(sample())
	e := sample()
	e.ResponseBody = Blob{Size: 100 << 10, Data: make([]byte, 100<<10)}
	j.Add(e)
	list := j.Entries(nil)
	if len(list) != 1 || !list[0].ResponseBody.Truncated || list[0].ResponseBody.Data != nil {
		t.Fatalf("%d entries, %+v", len(list), list)
	}
	if _, err := OpenBody(list[0].ResponseBody); !errors.Is(err, ErrNotKept) {
		t.Errorf("error %v, want ErrNotKept", err)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	for range 300 {
		j.Add(sample())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []uint64
	for e, err := range j.Follow(ctx, nil, 100) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Seq)
		switch {
		case e.Seq == 300:
			go func() {
				for range 300 {
					j.Add(sample())
				}
			}()
		case e.Seq == 600:
			cancel()
		}
	}
	if len(got) != 500 || got[0] != 101 || got[499] != 600 {
		t.Errorf("got %d entries from %d to %d", len(got), got[0], got[len(got)-1])
	}
}

func TestFollowTellsWhatWasMissed(t *testing.T) {
	t.Parallel()
	j := New(Options{MaxBytes: 64 << 10})
	j.Add(sample())
	var seen, missed, next uint64
	for e, err := range j.Follow(t.Context(), nil, 0) {
		var m *MissedError
		if errors.As(err, &m) {
			missed += m.Entries
			continue
		}
		if next++; next == 1 {
			for range 3000 {
				j.Add(sample())
			}
		}
		seen++
		if e.Seq == 3001 {
			break
		}
	}
	if missed == 0 || seen+missed != 3001 {
		t.Errorf("seen %d, missed %d, want 3001 in all", seen, missed)
	}
	// What was cleared is not missed.
	j.Clear()
	j.Add(sample())
	for e, err := range j.Follow(t.Context(), nil, 1) {
		if err != nil || e.Seq != 3002 {
			t.Errorf("after clear: %v, %v", e, err)
		}
		break
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	j.Add(sample())
	if e, err := j.Wait(ctx, Request("GET", "/api/v1/*")); err != nil || e.Seq != 1 {
		t.Fatalf("%v, %v", e, err)
	}
	done := make(chan *Entry)
	go func() {
		e, err := j.Wait(ctx, Request("POST", "/login"))
		if err != nil {
			t.Error(err)
		}
		done <- e
	}()
	for range 10 {
		j.Add(sample())
	}
	post := sample()
	post.Method, post.Target = "POST", "/login"
	j.Add(post)
	if e := <-done; e == nil || e.Seq != 12 {
		t.Errorf("got %+v", e)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	if _, err := j.Wait(gone, Request("PUT", "/x")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	go j.Close()
	if _, err := j.Wait(ctx, Request("PUT", "/x")); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
	if j.Add(sample()) != 0 {
		t.Error("a closed journal took an entry")
	}
}

func TestRequestFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path string
		want         bool
	}{
		{"GET", "/api/v1/status?page=2", true},
		{"GET", "/api/v1/status", false},
		{"GET", "/api/v1/status*", true},
		{"GET", "*", true},
		{"POST", "*", false},
		{"GET", "/other*", false},
	} {
		if got := Request(c.method, c.path)(sample()); got != c.want {
			t.Errorf("%s %s: %v", c.method, c.path, got)
		}
	}
	for _, kind := range []Kind{TLSError, Refused} {
		if Request("GET", "*")(&Entry{Kind: kind, Method: "GET", Target: "/"}) {
			t.Errorf("an entry of kind %d is a request", kind)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	j := New(Options{MaxBytes: 256 << 10, SpoolDir: dir, MaxSpool: 1 << 20})
	var writers, readers sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 3 {
		readers.Go(func() {
			last := uint64(0)
			for e, err := range j.Follow(ctx, nil, 0) {
				if err != nil {
					continue
				}
				if e.Seq <= last {
					t.Errorf("number %d after %d", e.Seq, last)
				}
				last = e.Seq
				if e.Seq%50 == 0 {
					j.Event(e)
				}
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for i := range 500 {
				e := sample()
				if i%10 == 0 {
					r := j.NewRecorder(nil, e.URL())
					r.Write(make([]byte, 70<<10))
					e.ResponseBody = r.Blob()
				}
				j.Add(e)
				if w == 0 && i%100 == 99 {
					j.Events(nil, 0)
					j.Stats()
					if i%200 == 199 {
						j.Clear()
						j.CleanSpool()
					}
				}
			}
		})
	}
	writers.Wait()
	cancel()
	readers.Wait()
	j.Close()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d files left", len(left))
	}
}

// TestMemory adds a hundred thousand small captures and looks at the heap.
func TestMemory(t *testing.T) {
	j := New(Options{})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 100_000 {
		e := sample()
		e.Target = fmt.Sprintf("/api/v1/items/%d", i)
		j.Add(e)
	}
	got := heap() - before
	s := j.Stats()
	if s.Entries != 100_000 || int64(got) > s.Bytes+2<<20 || got > 48<<20 {
		t.Errorf("heap grew by %d KiB, the journal says %d KiB for %d entries", got>>10, s.Bytes>>10, s.Entries)
	}
	runtime.KeepAlive(j)
}

func BenchmarkAdd(b *testing.B) {
	j := New(Options{})
	e := sample()
	b.ReportAllocs()
	for b.Loop() {
		j.Add(e)
	}
}

func BenchmarkAddParallel(b *testing.B) {
	j := New(Options{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := sample()
		for pb.Next() {
			j.Add(e)
		}
	})
}

func BenchmarkUnpack(b *testing.B) {
	p := pack(nil, sample())
	b.ReportAllocs()
	for b.Loop() {
		unpack(p)
	}
}

func BenchmarkEvent(b *testing.B) {
	j := New(Options{})
	e := sample()
	b.ReportAllocs()
	for b.Loop() {
		j.Event(e)
	}
}
