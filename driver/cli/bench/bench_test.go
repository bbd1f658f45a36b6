package bench

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// row is one kind of work and the ratios that we want to reach: CPU per
// request of the bare server, and of mitmdump, over ours.
type row struct {
	name          string
	wantBare      float64
	wantMitmdump  float64
	load          func(*load, target) (requests int)
	pass          bool // through to the origin
	slowMitmdump  int  // mitmdump does this fraction of the requests
	throughputMiB int  // body size, to print MB/s
}

var rows = []row{
	{name: "mock, HTTP, kept connection", wantBare: 1.15, wantMitmdump: 50, load: (*load).keptHTTP, slowMitmdump: 20},
	{name: "mock, HTTPS, kept connection", wantBare: 1.05, wantMitmdump: 50, load: (*load).keptHTTPS, slowMitmdump: 20},
	{name: "mock, HTTP/2, kept connection", wantBare: 0.88, wantMitmdump: 50, load: (*load).keptHTTP2, slowMitmdump: 20},
	{name: "Starlark mock, HTTP, kept connection", wantBare: 0.90, load: (*load).keptScript, slowMitmdump: 20},
	{name: "mock, new HTTPS connection per request", wantBare: 0.95, wantMitmdump: 15, load: (*load).newConns, slowMitmdump: 8},
	{name: "mock, 500 new host names", wantBare: 0.97, wantMitmdump: 15, load: (*load).newNames, slowMitmdump: 5},
	{name: "pass-through, HTTP, 100 bytes", wantBare: 0.55, wantMitmdump: 20, load: (*load).keptHTTP, pass: true, slowMitmdump: 20},
	{name: "pass-through, HTTPS, 100 bytes", wantBare: 0.55, wantMitmdump: 20, load: (*load).keptHTTPS, pass: true, slowMitmdump: 20},
	{name: "pass-through, 10 MiB bodies", wantBare: 0.45, load: (*load).big, pass: true, slowMitmdump: 8, throughputMiB: 10},
}

// figures are what one run of one target measured.
type figures struct {
	cpu  time.Duration // of the server, per request
	rate float64       // requests per second
}

// TestBench prints the table. It compares, it does not assert: machines differ.
// STARPROXY_BENCH_BASE names another build of starproxy, which is measured in the
// same rounds; its figures are in a last column.
func TestBench(t *testing.T) {
	if os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip("set STARPROXY_BENCH=1 (make bench) to measure")
	}
	rounds := 5
	if os.Getenv("STARPROXY_BENCH") == "quick" {
		rounds = 3
	}
	lab := newLab(t)
	defer lab.close()
	var b strings.Builder
	fmt.Fprintf(&b, "\n| work | starproxy | bare net/http | ratio (goal) | mitmdump | times (goal) |\n|---|--:|--:|--:|--:|--:|\n")
	only := os.Getenv("STARPROXY_BENCH_ONLY")
	for _, r := range rows {
		if only != "" && !strings.Contains(r.name, only) {
			continue
		}
		ours, bare, mitm, other := measure(t, lab, r, rounds)
		text := func(f figures) string {
			if f.cpu == 0 {
				return "–"
			}
			if r.throughputMiB > 0 {
				return fmt.Sprintf("%.1f ms, %.0f MB/s", f.cpu.Seconds()*1e3, f.rate*float64(r.throughputMiB)*1.048576)
			}
			return fmt.Sprintf("%.1f µs, %.0f/s", float64(f.cpu.Nanoseconds())/1e3, f.rate)
		}
		goal := "–"
		if r.wantMitmdump > 0 {
			goal = fmt.Sprintf("%.0f", r.wantMitmdump)
		}
		times := "–"
		if mitm.cpu > 0 {
			times = fmt.Sprintf("%.0f (%s)", float64(mitm.cpu)/float64(ours.cpu), goal)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.2f (%.2f) | %s | %s |", r.name, text(ours), text(bare),
			float64(bare.cpu)/float64(ours.cpu), r.wantBare, text(mitm), times)
		if other.cpu > 0 {
			fmt.Fprintf(&b, " %s, ours takes %.3f of it |", text(other), float64(ours.cpu)/float64(other.cpu))
		}
		b.WriteByte('\n')
	}
	if only == "" || strings.Contains("start to first answer", only) {
		ours, mitm := lab.startUp(t, rounds)
		ms := func(d time.Duration) string {
			if d == 0 {
				return "–"
			}
			return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
		}
		fmt.Fprintf(&b, "| start to first answer | %s (goal: under 30 ms) | – | – | %s | – |\n", ms(ours), ms(mitm))
	}
	fmt.Fprintf(&b, "\nCPU time of the proxy per request, and requests per second over 8 connections; medians of %d interleaved rounds, captures on, servers on one core.\n", rounds)
	fmt.Print(b.String())
}

// measure runs one row on each target in turn, round by round.
func measure(t *testing.T, lab *lab, r row, rounds int) (ours, bare, mitm, other figures) {
	targets := []target{lab.ours(r.pass), lab.bare(r.pass), lab.mitmdump(r.pass), lab.other(r.pass)}
	all := make([][]figures, len(targets))
	for round := range rounds + 1 {
		for i, tg := range targets {
			if tg.proc == nil {
				continue
			}
			l := &load{lab: lab, scale: 1, round: round}
			if tg.kind == mitmdumpKind {
				if round > 3 { // it is slow and steady
					continue
				}
				l.scale = r.slowMitmdump
			}
			before, t0 := tg.proc.cpu(t), time.Now()
			n := r.load(l, tg)
			took, used := time.Since(t0), tg.proc.cpu(t)-before
			if l.err != nil {
				t.Fatalf("%s, %s: %v", r.name, tg.kind, l.err)
			}
			if round > 0 { // the first warms up
				all[i] = append(all[i], figures{cpu: used / time.Duration(n), rate: float64(n) / took.Seconds()})
			}
		}
	}
	return median(all[0]), median(all[1]), median(all[2]), median(all[3])
}

// median takes the middle of each figure.
func median(f []figures) (m figures) {
	if len(f) == 0 {
		return
	}
	slices.SortFunc(f, func(a, b figures) int { return cmp.Compare(a.cpu, b.cpu) })
	m.cpu = f[len(f)/2].cpu
	slices.SortFunc(f, func(a, b figures) int { return cmp.Compare(a.rate, b.rate) })
	m.rate = f[len(f)/2].rate
	return
}
