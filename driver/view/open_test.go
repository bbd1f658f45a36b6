package view

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/mock"
)

// departing is a request that has begun, as the proxy notes it.
type departing struct {
	capture.Flight
	capture.Entry
	j    *capture.Journal
	body *capture.Recorder
	cuts int
}

func (d *departing) CutOff() { d.cuts++ }

func depart(j *capture.Journal, path string) *departing {
	d := &departing{j: j, Entry: capture.Entry{Start: time.Now(), Method: "GET", Scheme: "http", Host: "h.test", Port: 80, Target: path}}
	d.body = j.NewRecorder(nil, "")
	d.Live = j.Flights().Number()
	j.Flights().Enter(&d.Flight, d.Live, &d.Entry, d.body, d)
	return d
}

// land ends the exchange.
func (d *departing) land() {
	d.j.Flights().Leave(&d.Flight)
	d.Status = 200
	d.j.Add(&d.Entry)
}

// told reads what a watch yields, as text.
func toldBy(t *testing.T, s *Service, filter string) (read func() string) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	all, err := s.watch(ctx, filter, "", 0, "", true)
	if err != nil {
		t.Fatal(err)
	}
	items := make(chan string, 100)
	go func() {
		for item := range all {
			switch item := item.(type) {
			case openNews:
				var said []string
				for _, r := range item.Rows {
					said = append(said, fmt.Sprintf("%s %s %d", r.Path, r.State, r.Received))
				}
				items <- fmt.Sprintf("open %s gone %d", strings.Join(said, ", "), item.Gone)
			case Row:
				items <- fmt.Sprintf("row %d live %d %s open %v", item.Seq, item.Live, item.Path, item.Open)
			}
		}
	}()
	return func() string {
		synctest.Wait()
		var said []string
		for len(items) > 0 {
			said = append(said, <-items)
		}
		return strings.Join(said, "; ")
	}
}

func TestWatchTellsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(bareOptions())
		read := toldBy(t, s, "!~u hidden")
		expect := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			if got := read(); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
		expect(0, "")
		a, hidden := depart(s.Journal, "/a"), depart(s.Journal, "/hidden")
		expect(openPace, "open /a answering 0 gone []")
		expect(time.Minute, "") // nothing has changed
		a.body.Write([]byte("12345"))
		a.Set(capture.Waiting)
		expect(openLook, "open /a waiting 5 gone []")
		b := depart(s.Journal, "/b")
		hidden.land()
		expect(openPace, "open /b answering 0 gone []")
		a.land()
		expect(time.Second, "row 2 live 1 /a open false") // in its place
		s.Journal.Flights().Leave(&b.Flight)              // it leaves no entry
		expect(openPace/2, "")
		expect(time.Minute, "open  gone [3]")
		depart(s.Journal, "/c")
		expect(openPace, "open /c answering 0 gone []")
	})
}

// bareOptions are for a service without a proxy.
func bareOptions() Options {
	j := capture.New(capture.Options{})
	return Options{Journal: j, Sockets: capture.NewSockets(j, capture.Options{}), Mocks: func() bool { return true }, Table: mock.NewTable()}
}

func TestExchangeInFlightIsShown(t *testing.T) {
	t.Parallel()
	s := New(bareOptions())
	d := depart(s.Journal, "/a?q=1")
	d.RequestHeader = nil
	d.body.Write([]byte("so far"))
	list, err := s.list(t.Context(), "~open", "", 0, 10, false, true)
	if err != nil || len(list.Open) != 1 || len(list.Rows) != 0 {
		t.Fatalf("%+v %v", list, err)
	}
	if r := list.Open[0]; r.Live != 1 || r.Seq != 0 || !r.Open || r.State != "answering" || r.Received != 6 || r.Origin != "" {
		t.Errorf("row %+v", r)
	}
	if list, _ = s.list(t.Context(), "!~open", "", 0, 10, false, true); len(list.Open) != 0 {
		t.Errorf("with !~open: %+v", list.Open)
	}
	if list, _ = s.list(t.Context(), "~bq 'so far'", "", 0, 10, false, true); len(list.Open) != 1 {
		t.Error("a filter does not see the body so far")
	}
	detail, err := s.detail(t.Context(), -1)
	if err != nil || string(detail["seq"]) != "-1" || string(detail["open"]) != "true" || string(detail["path"]) != `"/a?q=1"` {
		t.Errorf("detail %s %v", detail, err)
	}
	p, err := s.body(t.Context(), -1, "request", 0, 100)
	if data, _ := base64.StdEncoding.DecodeString(p.Data); err != nil || string(data) != "so far" {
		t.Errorf("body %q %v", data, err)
	}
	if said, err := s.annotate(t.Context(), -1, "red", ""); err == nil {
		t.Errorf("it got a mark: %q", said)
	}
	d.land()
	if detail, err = s.detail(t.Context(), -1); err != nil || string(detail["seq"]) != "1" {
		t.Errorf("after its end: %s %v", detail["seq"], err)
	}
	if _, err = s.detail(t.Context(), -2); err == nil {
		t.Error("an exchange is shown that there is not")
	}
}

func TestCutExchange(t *testing.T) {
	t.Parallel()
	s := New(bareOptions())
	d := depart(s.Journal, "/a")
	for _, live := range []int{0, -1, 2} {
		if said, err := s.cut(t.Context(), live); err == nil {
			t.Errorf("cut %d: %q", live, said)
		} else if want := fmt.Sprintf("cut_exchange: no exchange %d is in flight; in flight now: @1", live); err.Error() != want {
			t.Errorf("cut %d: got %q, want %q", live, err, want)
		}
	}
	if said, err := s.cut(t.Context(), 1); err != nil || said != "Cut off: GET http://h.test/a" || d.cuts != 1 {
		t.Errorf("%q %v, %d cuts", said, err, d.cuts)
	}
}

// The phases that get_capture tells add up to the whole.
func TestTimingTellsPhases(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	e := &capture.Entry{Uploaded: 12 * ms, Answered: 40 * ms, Duration: 100 * ms, Phases: capture.Phases{
		Asked: 1 * ms, DNS: 2 * ms, Connect: 3 * ms, TLS: 4 * ms, Sent: 10 * ms, Headed: 39 * ms}}
	got := fmt.Sprint(timing(e))
	want := "map[answered_ms:40 asked_ms:1 connect_ms:3 dns_ms:2 duration_ms:100 headed_ms:39 receive_ms:61 sent_ms:10 tls_ms:4 uploaded_ms:12 wait_ms:27]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e.Phases = capture.Phases{}
	if got := timing(e); len(got) != 3 {
		t.Errorf("of a mock: %v", got)
	}
	e.Phases = capture.Phases{Asked: 1 * ms, Sent: 2 * ms, Reused: true}
	if got := timing(e); len(got) != 6 {
		t.Errorf("of a server that did not answer: %v", got)
	}
}

// A device that left before it had an answer got no status, and no real server is to
// blame. The proxy's own page comes before all mocks, so none is near to it.
func TestWithoutAnswer(t *testing.T) {
	t.Parallel()
	s := New(bareOptions())
	v, err := s.viewer(t.Context(), "list_captures", "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	e := &capture.Entry{Seq: 1, Kind: capture.HTTP, Status: 502, Origin: exchange.FromProxy, Unmatched: true,
		Error: (&exchange.DeviceError{Doing: exchange.LeftUnanswered, Err: io.EOF}).Error()}
	if r := v.row(e); r.Status != 0 || r.SentStatus != 0 || r.Error != "the device closed the connection before it had its answer" {
		t.Errorf("left: %+v", r)
	}
	e.Error = "no such host"
	if r := v.row(e); r.Status != 0 || r.SentStatus != 502 {
		t.Errorf("unreachable: %+v", r)
	}
	if s.why(e) == nil {
		t.Error("no mocks are told for a request that a mock could have answered")
	}
	if e = (&capture.Entry{Seq: 2, Kind: capture.HTTP, Status: 200, Origin: exchange.FromProxy}); s.why(e) != nil {
		t.Errorf("mitm.it: %v", s.why(e))
	}
}
