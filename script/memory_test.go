package script_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
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
		{"doubling", "", "memory limit exceeded: "},
		{"appending", "10:", held},
		{"extending", "", "memory limit exceeded: "},
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
			if strings.Contains(c.want, "memory limit") != errors.Is(err, call.ErrMemory) {
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

// TestOperators checks that what has a bound means what it means without.
func TestOperators(t *testing.T) {
	t.Parallel()
	s, err := newHost(script.Options{}).LoadText("t.star", []byte(`
def branch(x):
    if x:
        return 1
def branches(x):
    if x:
        return 1
    elif x == None:
        while x == None:
            x = 2
    else:
        pass
    return x
order = []
def seen(x):
    order.append(x)
    return x
def main():
    a, b, n, d = "ab", [1], 20, {"k": "x", "l": [1]}
    seen(a) * seen(n)
    seen("-") + seen(a)
    seen(a) + seen("%s") % seen(n)
    d[seen("k")] *= seen(n)
    d[seen("l")] += seen(b)
    pos = [7 % n, 2.5 * n, n * 2.5, n % 7, -n % 7, 1000000000000 * 1000000000000]
    m = "%s-%d" % (a, n)
    m %= ()
    b += [2]
    b *= 2
    c = a
    c += a
    c *= n
    ext = [1]
    ext.extend(range(3))
    ext += (4, 5)
    kw = dict(a = 1)
    kw.update([("b", 2)], c = 3)
    star = max(*ext)
    text = ["a-b".split("-"), ",".join(["x"] * 17), "aXa".replace("a", "b", 1), "{x}{}".format(1, x = 2), "é".elems(), [len(x * n) for x in ["ab"]], (lambda x, y = n * 17: x * y)(17)]
    t = time.parse_duration("1s")
    t *= n
    fails = [try_(lambda: "a" * "b").error, try_(lambda: [] % 1).error, try_(lambda: {}.join).error, try_(lambda: "a".joyn).error, try_(lambda: 1 + a).error]
    return str([branch(0), branches(None), order, d, pos, m, b, c, ext, kw, star, text[:4], text[5:], str(t), fails])
out = main()
`))
	if err != nil {
		t.Fatal(err)
	}
	x := strings.Repeat("x", 20)
	want := `[None, 2, ["ab", 20, "-", "ab", "ab", "%s", 20, "k", 20, "l", [1, 2]], {"k": "` + x + `", "l": [1, 1]}, [7, 50.0, 50.0, 6, 1, 1000000000000000000000000], "ab-20", [1, 2, 1, 2], "` +
		strings.Repeat("ab", 40) + `", [1, 0, 1, 2, 4, 5], {"a": 1, "b": 2, "c": 3}, 5, [["a", "b"], "x` + strings.Repeat(",x", 16) + `", "bXa", "21"], [[40], 5780], "20s", ` +
		`["unknown binary op: string * string", "unknown binary op: list % int", "dict has no .join field or method", "string has no .joyn field or method (did you mean .join?)", "unknown binary op: int + string"]]`
	if got := string(s.Globals["out"].(starlark.String)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
