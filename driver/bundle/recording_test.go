package bundle

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"starproxy/driver/flow"
)

// paths returns the paths of the requests of a recording, with "-" after those whose
// response has no body.
func paths(t *testing.T, file *flow.File) (list []string) {
	t.Helper()
	for f, err := range file.Flows() {
		if err != nil {
			t.Fatal(err)
		}
		path := f.Request.Path
		if f.Response.Body.Missing {
			path += "-"
		}
		list = append(list, path)
	}
	return list
}

func TestRecordKeepsAllThatFits(t *testing.T) {
	t.Parallel()
	b, err := Create(io.Discard, 0, Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Abort()
	file, err := b.Record(sample(20, 1000))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := paths(t, file); len(got) != 20 || strings.Contains(fmt.Sprint(got), "-") {
		t.Errorf("recording: got %v, want 20 exchanges with their bodies", got)
	}
	m := b.Manifest()
	if m.Exchanges != 20 || m.First.Format("15:04:05") != "10:00:00" || m.Last.Format("15:04:05") != "10:00:19" || len(m.LeftOut) != 0 {
		t.Errorf("manifest: got %+v", m)
	}
}

func TestRecordLeavesOutTheLargestBodies(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b, err := Create(&out, spare+400_000, Manifest{}) // 100,000 for the recording
	if err != nil {
		t.Fatal(err)
	}
	defer b.Abort()
	both := func(yield func(*flow.Flow, error) bool) {
		i := 0
		for f := range sample(4, 60_000) {
			if i++; i != 2 {
				f.Response.Body.Data = f.Response.Body.Data[:500]
				f.Response.Body.Size = 500
			}
			if !yield(f, nil) {
				return
			}
		}
		for f := range sample(1, 80_000) {
			f.Request.Path = "/firmware"
			yield(f, nil)
		}
	}
	file, err := b.Record(both)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got, want := fmt.Sprint(paths(t, file)), "[/item/0 /item/1 /item/2 /item/3 /firmware-]"; got != want {
		t.Errorf("recording: got %s, want %s", got, want)
	}
	want := LeftOut{"the body of the response, 80000 bytes of GET http://api.example.com/firmware",
		"the exchanges do not fit into the size of the bundle"}
	if got := b.Manifest().LeftOut; len(got) != 1 || got[0] != want {
		t.Errorf("left out: got %+v, want %+v", got, want)
	}
}

func TestRecordLeavesOutTheOldestExchanges(t *testing.T) {
	t.Parallel()
	b, err := Create(io.Discard, spare+40_000, Manifest{}) // 10,000 for the recording
	if err != nil {
		t.Fatal(err)
	}
	defer b.Abort()
	file, err := b.Record(sample(100, 300))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got := paths(t, file)
	if n := len(got); n < 5 || n > 40 || got[n-1] != "/item/99" || got[0] != fmt.Sprintf("/item/%d", 100-n) {
		t.Errorf("recording: got %v, want the newest", got)
	}
	m := b.Manifest()
	if m.Exchanges != len(got) || len(m.LeftOut) != 100-len(got) || m.LeftOut[0].Part != "GET http://api.example.com/item/0" {
		t.Errorf("manifest: got %d exchanges and %d parts left out, want %d and %d", m.Exchanges, len(m.LeftOut), len(got), 100-len(got))
	}
}

func TestRecordNothing(t *testing.T) {
	t.Parallel()
	b, err := Create(io.Discard, 1, Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Abort()
	file, err := b.Record(sample(3, 5000))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := paths(t, file); len(got) != 0 || b.Manifest().First != nil || len(b.Manifest().LeftOut) < 3 {
		t.Errorf("recording without room: got %v and %+v, want none, and all named", got, b.Manifest())
	}
}
