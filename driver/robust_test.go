package driver

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hostile is a scenario of what scripts should not do.
const hostile = `load("@stdlib//sequence.star", "sequence")

def loop(req):
    n = 0
    while True:
        n += 1

def recurse(req):
    def deeper(n):
        return [deeper(n + 1)]
    return {"body": deeper(0)}

def sleeper(req):
    while True:
        sleep("1h")

def stream(out):
    while True:
        out.write("x" * 1000)
        sleep("1h")

def boom(req):
    return {"body": sprig.div(1, 0)}

def doubling(req):
    s = "x"
    while True:
        s = s + s

def appending(req):
    l = []
    while True:
        l.append("x" * 1000000)

def caught(req):
    while True:
        try_(appending, req)

endpoints = {
    "GET /doubling": doubling,
    "GET /appending": appending,
    "GET /caught": caught,
    "GET /repeat": lambda req: {"body": [0] * 1000000000},
    "GET /join": lambda req: {"body": "".join(["x" * 1000000] * 1000000)},
    "GET /replace": lambda req: {"body": ("a" * 1000000).replace("a", "x" * 1000000)},
    "GET /format": lambda req: {"body": "%s" % [["x" * 1000000] * 1000000]},
    "GET /ok": {"body": "ok"},
    "GET /loop": loop,
    "GET /recurse": recurse,
    "GET /large": lambda req: {"body": "x" * 30000000},
    "GET /sleeper": sleeper,
    "GET /stream": lambda req: response(stream = stream),
    "GET /boom": boom,
    "GET /steps": sequence([{"body": str(i), "repeat": 20} for i in range(64)] + [{"body": "end"}]),
}
`

// TestRobust holds that no script harms the proxy: it goes on to serve, the
// error names the place, and memory returns.
func TestRobust(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Scripts = Scripts{MaxSteps: 2_000_000, MaxTime: 20, MaxMemory: 128 << 20}
		c.Capture.MaxBytes, c.Capture.MaxSpoolBytes = 4<<20, 8<<20
	})
	path := b.write("mock-responses/hostile.star", hostile)
	b.want("Loaded 15 endpoint(s) from hostile.star", "load_mock_scenario", "hostile.star")
	proxy := b.start()
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), MaxIdleConnsPerHost: 128}}
	defer client.CloseIdleConnections()
	ask := func(ctx context.Context, path string) (int, string, error) {
		req, err := http.NewRequestWithContext(ctx, "GET", "http://nowhere.invalid"+path, nil)
		if err != nil {
			return 0, "", err
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res.StatusCode, string(body), err
	}
	before := heap()

	// Somebody else is served all the while.
	var served, wrong atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case <-time.After(time.Millisecond):
				}
				status, body, err := ask(t.Context(), "/ok")
				if status != 200 || body != "ok" || err != nil {
					wrong.Add(1)
				}
				served.Add(1)
			}
		})
	}

	t.Run("limits", func(t *testing.T) {
		for name, want := range map[string]string{
			"/loop":    "hostile.star:6:9: step limit exceeded: more than 2000000 steps without a wait (scripts.max_steps)",
			"/recurse": "hostile.star:10:",
			"/boom":    "hostile.star:23:30: sprig.div: argument 2: division by 0",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				status, body, err := ask(t.Context(), name)
				if status != 500 || !strings.Contains(body, want) || err != nil {
					t.Errorf("%d %.300s %v, want %s", status, body, err, want)
				}
			})
		}
		t.Run("/sleeper", func(t *testing.T) {
			t.Parallel()
			b := newBench(t, func(c *Config) { c.Scripts.MaxTime = 1 })
			b.write("mock-responses/hostile.star", hostile)
			b.call("load_mock_scenario", "hostile.star")
			body := b.get(b.start(), "http://nowhere.invalid/sleeper")
			if want := "hostile.star:15:14: time limit exceeded: more than 1s (scripts.max_time)"; !strings.Contains(body, want) {
				t.Errorf("%.300s, want %s", body, want)
			}
		})
		t.Run("/large", func(t *testing.T) {
			t.Parallel()
			status, body, err := ask(t.Context(), "/large")
			if status != 200 || len(body) != 30_000_000 || err != nil {
				t.Errorf("%d, %d bytes, %v", status, len(body), err)
			}
		})
	})

	t.Run("memory", func(t *testing.T) {
		const held = "memory limit exceeded: scripts hold more than 134217728 bytes (scripts.max_memory)"
		for name, want := range map[string][2]string{
			"/doubling":  {":2", held}, // the sum, or the loop around it
			"/appending": {":33:", held},
			"/caught":    {":33:", held},
			"/repeat":    {":43:45: ", "memory limit exceeded: * would make more than 33554432 bytes at once (scripts.max_memory)"},
			"/join":      {":44:46: ", "memory limit exceeded: join would make"},
			"/replace":   {":45:65: ", "memory limit exceeded: replace would make"},
			"/format":    {":46:46: ", "memory limit exceeded: % would make"},
		} {
			status, body, err := ask(t.Context(), name)
			if status != 500 || !strings.Contains(body, filepath.Base(path)+want[0]) || !strings.Contains(body, want[1]) || err != nil {
				t.Errorf("%s: %d %.300s %v, want %s", name, status, body, err, want)
			}
		}
	})

	t.Run("a client that leaves", func(t *testing.T) {
		for _, path := range []string{"/stream", "/sleeper"} {
			leave, cancel := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(leave, "GET", "http://nowhere.invalid"+path, nil)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if res, err := client.Do(req); err == nil {
					io.ReadFull(res.Body, make([]byte, 1000))
					cancel()
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}()
			if path == "/sleeper" {
				cancel()
			}
			<-done
		}
		// The proxy stops at once only if nobody sleeps any more: see the end.
	})

	t.Run("64 clients on one sequence", func(t *testing.T) {
		var counts [65]atomic.Int64
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range 20 {
					_, body, err := ask(t.Context(), "/steps")
					n, bad := strconv.Atoi(body)
					if err != nil || bad != nil {
						t.Errorf("%q %v", body, err)
						return
					}
					counts[n].Add(1)
				}
			})
		}
		wg.Wait()
		for i := range 64 {
			if n := counts[i].Load(); n != 20 {
				t.Errorf("step %d was given %d times, not 20", i, n)
			}
		}
		if _, body, _ := ask(t.Context(), "/steps"); body != "end" {
			t.Errorf("after all steps: %q", body)
		}
	})

	t.Run("a broken reload under load", func(t *testing.T) {
		for i, broken := range []string{
			"endpoints = {\"GET /ok\": tru}\n",
			"def f(:\n",
			"endpoints = {\"GET /ok\": {\"statsu\": 200}}\n",
			"endpoints = [1 / 0]\n",
			"while True:\n    pass\n",
		} {
			b.write("mock-responses/hostile.star", broken)
			b.awaitLog("scenario not reloaded; the old one stays")
			if fault := fmt.Sprint(b.status()["scenario_error"]); !strings.HasPrefix(fault, path+":") {
				t.Errorf("edit %d: status tells %s", i, fault)
			}
		}
		b.write("mock-responses/hostile.star", "endpoints = {\"GET /ok\": {\"body\": \"ok\"}, \"GET /new\": {\"body\": \"new\"}}\n")
		b.awaitLog("scenario reloaded")
		if status, body, err := ask(t.Context(), "/new"); status != 200 || body != "new" || err != nil {
			t.Error(status, body, err)
		}
	})

	stop()
	others.Wait()
	if wrong.Load() > 0 || served.Load() == 0 {
		t.Errorf("%d of %d other requests went wrong", wrong.Load(), served.Load())
	}
	b.call("clear_mocks")
	client.CloseIdleConnections()
	if after := heap(); after > before+32<<20 {
		t.Errorf("the heap grew from %d to %d MiB", before>>20, after>>20)
	}
	if got := b.call("stop"); !strings.HasPrefix(got, "Stopped") {
		t.Error(got)
	}
	if _, err := client.Get((&url.URL{Scheme: "http", Host: "nowhere.invalid", Path: "/ok"}).String()); err == nil {
		t.Error("a stopped proxy answers")
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
