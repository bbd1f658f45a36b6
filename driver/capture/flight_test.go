package capture

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"starproxy/builtins/exchange"
)

// cutter counts how often it was cut.
type cutter struct{ cuts int }

func (c *cutter) CutOff() { c.cuts++ }

func enter(t *Flights, path string, body *Recorder, c Cutter) *Flight {
	f := new(Flight)
	t.Enter(f, t.Number(), &Entry{Method: "GET", Target: path}, body, c)
	return f
}

func paths(t *Flights) []string {
	var list []string
	for _, o := range t.List() {
		list = append(list, o.Target)
	}
	return list
}

func TestFlightsComeAndGo(t *testing.T) {
	t.Parallel()
	table := New(Options{}).Flights()
	var all []*Flight
	var want []string
	for i := range 40 {
		path := "/" + string(rune('A'+i))
		all, want = append(all, enter(table, path, nil, nil)), append(want, path)
	}
	if got := paths(table); !slices.Equal(got, want) {
		t.Fatalf("in flight: %q, want %q", got, want)
	}
	for i, f := range all {
		if i%3 != 0 {
			table.Leave(f)
			table.Leave(f) // does nothing
		}
	}
	want = nil
	for i, f := range all {
		if i%3 == 0 {
			want = append(want, f.request.Target)
		}
	}
	if got := paths(table); !slices.Equal(got, want) {
		t.Errorf("in flight: %q, want %q", got, want)
	}
	if o := table.Get(all[3].number); o == nil || o.Target != want[1] || o.Live != 4 || !o.Open || o.Seq != 0 {
		t.Errorf("Get: %+v", o)
	}
	if o := table.Get(2); o != nil {
		t.Errorf("Get gave %+v, which has left", o)
	}
}

func TestFlightShowsItsBytes(t *testing.T) {
	t.Parallel()
	j := New(Options{SpoolDir: t.TempDir(), Inline: 64})
	defer j.Close()
	table := j.Flights()
	up := j.NewRecorder(nil, "http://h.test/")
	f := enter(table, "/", up, nil)
	up.Write([]byte("question"))
	o := table.Get(1)
	if o.RequestBody.Size != 8 || o.Sending || o.State != Answering {
		t.Errorf("before the answer: %+v", o)
	}
	down := j.NewRecorder(exchange.HeaderOf("Content-Type", "text/plain"), "http://h.test/")
	f.Set(Sending)
	table.Answer(f, &exchange.Response{Status: 201, Header: exchange.HeaderOf("A", "b")}, down, "GET /", "a.yaml:1")
	down.Write([]byte("short "))
	o = table.Get(1)
	o.Bodies(100)
	if string(o.RequestBody.Data) != "question" || string(o.ResponseBody.Data) != "short " || o.Status != 201 || !o.Sending ||
		o.ResponseHeader.Get("A") != "b" || o.Endpoint != "GET /" || o.Source != "a.yaml:1" || o.State.String() != "sending" {
		t.Errorf("while it is sent: %+v %+v", o, o.Entry)
	}
	down.Write([]byte(strings.Repeat("x", 100))) // it is in a file now
	for limit, want := range map[int]string{4: "shor", 10: "short xxxx", 1000: "short " + strings.Repeat("x", 100)} {
		o = table.Get(1)
		o.Bodies(limit)
		if b := o.ResponseBody; string(b.Data) != want || b.Size != 106 || b.Truncated != (limit < 106) {
			t.Errorf("at most %d bytes: %q, %+v", limit, b.Data, b)
		}
	}
	table.Answer(f, &exchange.Response{Body: exchange.Bytes("stored")}, nil, "", "")
	f.Sent(3)
	if o = table.Get(1); o.ResponseBody.Size != 3 || string(o.ResponseBody.Data) != "sto" {
		t.Errorf("a stored body: %+v", o.ResponseBody)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	table := New(Options{}).Flights()
	c := new(cutter)
	f := enter(table, "/", nil, c)
	if table.Cut(7) {
		t.Error("an exchange was cut that there is not")
	}
	if first, again := table.Cut(1), table.Cut(1); !first || !again || c.cuts != 1 || !f.WasCut() {
		t.Errorf("cut %d times, want once", c.cuts)
	}
	if !table.Leave(f) || table.Cut(1) || c.cuts != 1 {
		t.Error("an exchange was cut that has left")
	}
}

// slowCutter takes until it is told to end.
type slowCutter struct{ began, end chan struct{} }

func (c *slowCutter) CutOff() {
	close(c.began)
	<-c.end
}

// An exchange ends after CutOff has returned, which uses its connection.
func TestLeaveWaitsForCut(t *testing.T) {
	t.Parallel()
	table := New(Options{}).Flights()
	c := &slowCutter{make(chan struct{}), make(chan struct{})}
	f := enter(table, "/", nil, c)
	go table.Cut(1)
	<-c.began
	left := make(chan bool)
	go func() { left <- table.Leave(f) }()
	for table.Get(1) != nil { // until Leave waits
		runtime.Gosched()
	}
	select {
	case <-left:
		t.Fatal("Leave did not wait")
	default:
	}
	close(c.end)
	if !<-left {
		t.Error("Leave says that nobody has cut the exchange")
	}
}

func TestFlightsChanged(t *testing.T) {
	t.Parallel()
	table := New(Options{}).Flights()
	for what, do := range map[string]func(){
		"begins": func() { enter(table, "/", nil, nil) },
		"is set": func() { table.Set(1, HeldRequest) },
		"ends":   func() { table.Leave(table.shard(1).head) },
	} {
		enter(table, "/", nil, nil)
		changed := table.Changed()
		do()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		select {
		case <-changed:
		case <-ctx.Done():
			t.Errorf("an exchange that %s wakes nobody", what)
		}
		cancel()
	}
	if table.Set(1000, Waiting) {
		t.Error("the state of an exchange was set that there is not")
	}
}

// People look, and cut, while requests come and go.
func TestFlightsAtOnce(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	table := j.Flights()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 300 {
				up := j.NewRecorder(nil, "")
				f := enter(table, "/", up, new(cutter))
				up.Write([]byte("body"))
				f.Set(Waiting)
				f.Sent(1)
				table.Answer(f, &exchange.Response{Status: 200}, nil, "", "")
				table.Leave(f)
			}
		})
	}
	all.Go(func() {
		for range 100 {
			for _, o := range table.List() {
				o.Bodies(10)
				table.Cut(o.Live)
			}
		}
	})
	all.Wait()
	if list := table.List(); len(list) != 0 {
		t.Errorf("%d are still in flight", len(list))
	}
}

func TestServerWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p        Phases
		uploaded time.Duration
		want     time.Duration
	}{
		{Phases{}, 0, 0},
		{Phases{Sent: 2, Headed: 10}, 0, 8},
		{Phases{Sent: 2, Headed: 10}, 7, 3},
		{Phases{Sent: 2, Headed: 10}, 15, 0}, // it answered before it had all
	} {
		if got := tt.p.Wait(tt.uploaded); got != tt.want {
			t.Errorf("%+v, uploaded after %d: %d, want %d", tt.p, tt.uploaded, got, tt.want)
		}
	}
}

// BenchmarkFlight is what the table of exchanges in flight costs a request.
func BenchmarkFlight(b *testing.B) {
	table := New(Options{}).Flights()
	res := &exchange.Response{}
	e := &Entry{Method: "GET"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var f Flight
		for pb.Next() {
			table.Enter(&f, table.Number(), e, nil, nil)
			f.Set(Waiting)
			f.Set(Sending)
			table.Answer(&f, res, nil, "", "")
			table.Leave(&f)
		}
	})
}
