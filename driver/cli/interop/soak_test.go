package interop

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/flow"
)

// soaking skips unless long runs were asked for.
func soaking(t *testing.T) {
	t.Helper()
	if os.Getenv("STARPROXY_SOAK") != "1" {
		t.Skip("set STARPROXY_SOAK=1, or run \"make soak\"")
	}
	if runtime.GOOS != "linux" {
		t.Skip("reads memory figures the way Linux tells them")
	}
}

// memory is a figure of /proc/PID/status in bytes: VmRSS is what the process
// has now, VmHWM the most since the last resetPeak.
func (b *bench) memory(t *testing.T, figure string) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.proc.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(figure + `:\s+(\d+) kB`).FindSubmatch(data)
	if m == nil {
		t.Fatalf("no %s in /proc", figure)
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

func (b *bench) resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", b.proc.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// transport goes through the bench's proxy.
func (b *bench) transport(http2 bool) *http.Transport {
	tr := &http.Transport{
		Proxy:               http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprint("127.0.0.1:", b.port)}),
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		MaxIdleConnsPerHost: 16,
	}
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP1(!http2)
	tr.Protocols.SetHTTP2(http2)
	return tr
}

// After 100,000 captured requests with the default budgets the process is
// small still.
func TestSoakCaptures(t *testing.T) {
	soaking(t)
	b := ours(t, "      mocks:\n        GET /api/v1/status*: {body: {station: charger-07, backend: ok}}\n", "--start", "mock")
	tr := b.transport(false)
	defer tr.CloseIdleConnections()
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := n.Add(1); i <= 100_000; i = n.Add(1) {
				req, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("http://api.example.com/api/v1/status?n=%d", i), nil)
				resp, err := tr.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	rss := b.memory(t, "VmRSS")
	t.Logf("100,000 captured requests: %.1f MiB resident", mib(rss))
	if rss > 150<<20 {
		t.Errorf("%.1f MiB resident after 100,000 captured requests, at most 150 are allowed", mib(rss))
	}
}

// A gibibyte through the proxy, in each direction and over each version of
// HTTP, raises its memory by no more than 64 MiB.
func TestSoakBodies(t *testing.T) {
	soaking(t)
	const size = 1 << 30
	real := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		io.Copy(w, io.LimitReader(zeros{}, size))
	}))
	real.EnableHTTP2 = true
	real.StartTLS()
	defer real.Close()
	plain := httptest.NewServer(real.Config.Handler)
	defer plain.Close()

	for _, c := range []struct {
		name  string
		http2 bool
		base  string
	}{
		{"http/1.1", false, plain.URL},
		{"https, http/1.1", false, real.URL},
		{"https, http/2", true, real.URL},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(c.name+" "+method, func(t *testing.T) {
				b := ours(t, "", "--start", "passthrough")
				tr := b.transport(c.http2)
				defer tr.CloseIdleConnections()
				do := func(path string, upload int64) {
					var body io.Reader
					if method == http.MethodPost {
						body = io.LimitReader(zeros{}, upload)
					}
					req, err := http.NewRequest(method, c.base+path, body)
					if err != nil {
						t.Fatal(err)
					}
					if body != nil {
						req.ContentLength = upload
					}
					resp, err := tr.RoundTrip(req)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					if c.http2 != (resp.ProtoMajor == 2) {
						t.Errorf("answered over %s", resp.Proto)
					}
					if method == http.MethodPost {
						said, _ := io.ReadAll(resp.Body)
						if !bytes.HasPrefix(said, []byte(strconv.FormatInt(upload, 10))) {
							t.Errorf("the real server got %s of %d bytes", said, upload)
						}
					} else if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
						t.Errorf("got %d of %d bytes: %v", n, size, err)
					}
				}
				before := b.memory(t, "VmRSS")
				b.resetPeak(t)
				do("/", size)
				rise := b.memory(t, "VmHWM") - before
				t.Logf("1 GiB: %.1f MiB more than before", mib(rise))
				if rise > 64<<20 {
					t.Errorf("memory rose by %.1f MiB, at most 64 are allowed", mib(rise))
				}
			})
		}
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// A recording of 100,000 flows answers within two seconds of the start, and
// its bodies stay on disk.
func TestSoakReplay(t *testing.T) {
	soaking(t)
	const flows = 100_000
	dir := tempDir(t)
	name := filepath.Join(dir, "large.bin")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := flow.NewWriter(file)
	body := bytes.Repeat([]byte("0123456789abcdef"), 512) // 8 KiB
	now := time.Now()
	for i := range flows {
		err := w.Write(&flow.Flow{Created: now,
			Request: flow.Request{Method: "GET", Scheme: "http", Host: "api.example.com", Port: 80, Path: fmt.Sprintf("/api/v1/items/%d?page=%d", i/10, i%10),
				Proto: "HTTP/1.1", Header: exchange.HeaderOf("Host", "api.example.com", "User-Agent", "curl/8.0"), Start: now},
			Response: &flow.Response{Status: 200, Reason: "OK", Proto: "HTTP/1.1", Header: exchange.HeaderOf("Content-Type", "application/octet-stream", "Content-Length", strconv.Itoa(len(body))),
				Body: flow.Body{Blob: capture.Blob{Size: int64(len(body)), Data: body}}, Start: now},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	b := ours(t, "", "--start", "replay", "--replay-file", name)
	started := time.Since(begin)
	status, got := get(t, b.port, "http://api.example.com/api/v1/items/9999?page=9")
	if status != 200 || got != string(body) {
		t.Errorf("%d, %d bytes", status, len(got))
	}
	answered := time.Since(begin)
	tr := b.transport(false)
	defer tr.CloseIdleConnections()
	for i := range 20_000 {
		req, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("http://api.example.com/api/v1/items/%d?page=%d", i/10*5, i%10), nil)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != int64(len(body)) || err != nil {
			t.Fatal(n, err)
		}
		resp.Body.Close()
	}
	peak := b.memory(t, "VmHWM")
	t.Logf("%d flows, %.0f MiB: started after %s, first answer after %s, %.0f MiB at most", flows, mib(info.Size()), started.Round(time.Millisecond), answered.Round(time.Millisecond), mib(peak))
	if answered > 2*time.Second {
		t.Errorf("the first answer came after %s, at most 2 s are allowed", answered)
	}
	if peak > 200<<20 {
		t.Errorf("%.0f MiB resident, at most 200 are allowed", mib(peak))
	}
}
