package bench

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestBenchMemory prints what connections and captures hold on to.
func TestBenchMemory(t *testing.T) {
	if os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip("set STARPROXY_BENCH=1 (make bench) to measure")
	}
	const conns, flows = 9_000, 100_000 // a process may have 20,000 descriptors on many a machine
	lab := newLab(t)
	defer lab.close()
	tg := lab.ours(false)
	l := &load{lab: lab, scale: 1}
	fresh := tg.proc.resident(t)
	l.parallel(flows, func(next func() (int, bool)) error {
		c, err := net.Dial("tcp", tg.plain)
		if err != nil {
			return err
		}
		defer c.Close()
		return l.exchange(c, request(tg.url("http"), true), next)
	})
	full := tg.proc.resident(t)
	var mu sync.Mutex
	var open []net.Conn
	l.parallel(conns, func(next func() (int, bool)) error {
		for {
			if _, ok := next(); !ok {
				return nil
			}
			c, err := l.secure(tg, tg.host("https"), "http/1.1")
			if err != nil {
				return err
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			once := true
			if err := l.exchange(c, request(tg.url("https"), false), func() (int, bool) { o := once; once = false; return 0, o }); err != nil {
				return err
			}
		}
	})
	if l.err != nil {
		t.Fatal(l.err)
	}
	idle := tg.proc.resident(t)
	for _, c := range open {
		c.Close()
	}
	fmt.Printf("\n| memory of the process | starproxy | goal |\n|---|--:|--:|\n")
	fmt.Printf("| after the start | %.0f MB | |\n", fresh)
	fmt.Printf("| after %d captured requests | %.0f MB | 100 MB |\n", flows, full)
	fmt.Printf("| an idle intercepted connection, of %d | %.1f KB | 30 KB |\n", conns, (idle-full)*1e3/conns)
}

// resident is the memory that the process has, in MB.
func (p *process) resident(t *testing.T) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	n, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n * 1024 / 1e6
}
