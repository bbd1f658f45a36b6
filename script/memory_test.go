package script_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"starproxy/builtins"
	"starproxy/script"
)

// greedy are functions that fill the memory step by step.
const greedy = `
def doubling(req):
    s = "x"
    while True:
        s = s + s

def appending(req):
    l = []
    while True:
        l.append("x" * 1000000)

def extending(req):
    l = ["x"]
    while True:
        l += l

def formatting(req):
    s = "x" * 1000
    while True:
        s = "%s%s" % (s, s)

def kept(req):
    for i in range(1 << 40):
        state.set(str(i), "x" * 1000000)

def caught(req):
    while True:
        try_(appending, req)

endless = range(1 << 40)
def adding(req):
    l = []
    l += endless

def timesing(req):
    d = {"x": [1]}
    d["x"] *= len(endless)

def substituting(req):
    re.sub("a", "x" * 1000000, "a" * 30)

def nesting(req):
    l = ["x"]
    for i in range(60):
        l = [l, l]
    str(l)
`

// TestMemory checks that scripts which grow end with an error that names the
// limit and the place, and that their memory comes back.
func TestMemory(t *testing.T) {
	before := heap()
	h := newHost(script.Options{MaxMemory: 64 << 20, MaxTime: 30 * time.Second, MaxSteps: 1 << 40})
	s, err := h.LoadText("greedy.star", []byte(greedy))
	if err != nil {
		t.Fatal(err)
	}
	held := "memory limit exceeded: scripts hold more than 67108864 bytes (scripts.max_memory)"
	once := "memory limit exceeded: %s would make more than 16777216 bytes at once (scripts.max_memory)"
	runtime.GC()
	for _, c := range []struct{ name, place, want string }{
		{"doubling", "5:15", fmt.Sprintf(once, "+")},
		{"appending", "10:", held},
		{"extending", "15:11", fmt.Sprintf(once, "+=")},
		{"formatting", "20:20", fmt.Sprintf(once, "%")},
		{"kept", "24:", held},
		{"adding", "33:7", "+=: 1099511627776 elements are more than 10000000"},
		{"timesing", "37:12", fmt.Sprintf(once, "*")},
		{"substituting", "40:11", fmt.Sprintf(once, "re.sub")},
		{"nesting", "46:8", fmt.Sprintf(once, "str")},
		{"caught", "10:", held},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler, err := h.Handler(s.Globals[c.name])
			if err != nil {
				t.Fatal(err)
			}
			_, err = handler.Respond(t.Context(), newExchange("GET", "/", ""))
			var e *script.Error
			if !errors.As(err, &e) || !strings.Contains(e.Message, c.want) {
				t.Fatalf("error is %v, want %s", err, c.want)
			}
			if strings.Contains(c.want, "scripts.max_memory") != errors.Is(err, builtins.ErrMemory) {
				t.Errorf("%v is not what it should be", err)
			}
			if at := e.Pos.String(); !strings.HasPrefix(at, "greedy.star:") || !strings.HasPrefix(at, "greedy.star:"+c.place) && c.want != held {
				t.Errorf("it is at %s, want %s", at, c.place)
			}
			h.State().Clear()
			runtime.GC() // what comes next starts with a small heap
		})
	}
	if after := heap(); after > before+32<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	// A thread that was ended is never used again.
	ok, err := h.Template("{{ 1 + 1 }}", script.Position{})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		runtime.GC()
		if v, err := ok.Render(t.Context(), nil); v != int64(2) || err != nil {
			t.Fatalf("afterwards the host gives %v, %v", v, err)
		}
	}
}

// TestHostIsCollected checks that nothing that looks at the memory keeps a host.
func TestHostIsCollected(t *testing.T) {
	gone := make(chan struct{})
	func() {
		h := newHost(script.Options{})
		tm, err := h.Template("{{ 1 + 1 }}", script.Position{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tm.Render(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		runtime.AddCleanup(h, func(struct{}) { close(gone) }, struct{}{})
	}()
	for range 10 {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the host is still there")
}
