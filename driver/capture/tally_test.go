package capture

import (
	"testing"

	"starproxy/builtins/exchange"
)

func TestOutcome(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		entry Entry
		want  Outcome
	}{
		{"a mock", Entry{Origin: exchange.FromMock, Status: 200}, Mocked},
		{"an injected fault", Entry{Origin: exchange.FromMock, Error: exchange.ErrFault.Error() + ": reset"}, Mocked},
		{"a device that left a mock", Entry{Origin: exchange.FromMock, Error: "the device left"}, Failed},
		{"a patch", Entry{Origin: exchange.FromPatch, Status: 200}, Patched},
		{"a server", Entry{Status: 500}, Forwarded},
		{"a server, no mock", Entry{Status: 200, Unmatched: true}, Forwarded},
		{"a server that left", Entry{Status: 200, Error: "unexpected EOF"}, Failed},
		{"no server", Entry{Origin: exchange.FromProxy, Status: 502, Error: "refused", Unmatched: true}, Failed},
		{"a script that failed", Entry{Origin: exchange.FromProxy, Status: 500, Error: "x.star:1:2: oops"}, Failed},
		{"no mock", Entry{Origin: exchange.FromProxy, Status: 501, Error: "no endpoint", Unmatched: true}, Rejected},
		{"a recording", Entry{Origin: exchange.FromReplay, Status: 200}, Replayed},
		{"no recording", Entry{Origin: exchange.FromReplay, Status: 404, Unmatched: true}, Rejected},
		{"the CA page", Entry{Origin: exchange.FromProxy, Status: 200}, Served},
	} {
		if got := test.entry.Outcome(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// TestTally checks that entries are counted after they have left the journal,
// and that the mark of an unmatched one is kept in it.
func TestTally(t *testing.T) {
	t.Parallel()
	j := New(Options{})
	defer j.Close()
	for _, e := range []Entry{
		{Origin: exchange.FromReplay, Unmatched: true, Status: 404},
		{Unmatched: true, Status: 200},
		{Status: 200},
		{Kind: TCP},
		{Kind: TLSError, Error: "alert"},
		{Kind: Refused, Origin: exchange.FromProxy, Status: 400, Error: "malformed"},
	} {
		j.Add(&e)
	}
	first, _ := j.Get(1)
	if first == nil || !first.Unmatched || first.Origin != exchange.FromReplay {
		t.Errorf("the first entry is %+v", first)
	}
	if third, _ := j.Get(3); third == nil || third.Unmatched {
		t.Errorf("the third entry is %+v", third)
	}
	j.Clear()
	tally := j.Tally()
	if tally.Unmatched != 2 || tally.Streams != 1 {
		t.Errorf("unmatched %d, streams %d; want 2 and 1", tally.Unmatched, tally.Streams)
	}
	for word, n := range tally.Requests() {
		if want := map[string]uint64{"rejected": 1, "forwarded": 2}[word]; n != want {
			t.Errorf("%s: %d, want %d", word, n, want)
		}
	}
}
