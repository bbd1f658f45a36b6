package interop

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/chromedp"
)

// TestBenchPage measures how long the page takes to load, beside one that does
// nothing, and how smooth it stays while requests come ("make bench").
func TestBenchPage(t *testing.T) {
	if os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip("set STARPROXY_BENCH=1 (make bench) to measure")
	}
	p := open(t, browserMocks, chromedp.Flag("enable-precise-memory-info", true))
	still := stillPage(t)

	const rounds = 15
	type times struct{ ready, painted []float64 }
	measure := func(q *page, to *times) {
		q.until(`performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd > 0 && performance.getEntriesByName("first-contentful-paint").length > 0`)
		to.ready = append(to.ready, value[float64](q, `performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd`))
		to.painted = append(to.painted, value[float64](q, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
	}
	var first, again [2]times
	home := value[string](p, `location.origin`)
	p.do(chromedp.Navigate("data:text/plain,nothing else is open meanwhile"))
	for range rounds {
		for i, link := range []string{home, still} {
			q := p.tab(link)
			measure(q, &first[i])
			q.do(chromedp.Reload())
			measure(q, &again[i])
			q.close()
		}
	}
	fmt.Printf("\n| the page | runs (DOMContentLoaded) | is painted | one of its size that does nothing runs | is painted | ratios (goal: 1.3) |\n|---|--:|--:|--:|--:|--:|\n")
	for _, r := range []struct {
		what string
		of   [2]times
	}{{"first time in a tab", first}, {"reloaded", again}} {
		ready, painted, stillReady, stillPainted := middle(r.of[0].ready), middle(r.of[0].painted), middle(r.of[1].ready), middle(r.of[1].painted)
		fmt.Printf("| %s | %.0f ms | %.0f ms | %.0f ms | %.0f ms | %.2f, %.2f |\n", r.what, ready, painted, stillReady, stillPainted, ready/stillReady, painted/stillPainted)
	}

	// Ten thousand exchanges, and then 500 more each second.
	p.do(chromedp.Navigate(home))
	p.until(live)
	tr := p.b.transport(false)
	defer tr.CloseIdleConnections()
	send := func() {
		if err := sendOver(tr, "http://car.test/api/status"); err != nil {
			t.Error(err)
		}
	}
	for range 10_000 {
		send()
	}
	p.counts(10_000)
	p.do(chromedp.Evaluate(`window.frames_ = []; window.tasks = [];
		new PerformanceObserver(l => l.getEntries().forEach(e => tasks.push(e.duration))).observe({type: "longtask"});
		requestAnimationFrame(function frame(last) { requestAnimationFrame(now => { frames_.push(now - last); frame(now); }); })`, nil))
	const rate, seconds = 500, 10
	began := time.Now()
	for n := range rate * seconds {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / rate)))
		send()
	}
	took := time.Since(began)
	p.counts(10_000 + rate*seconds)
	frames := value[[]float64](p, `frames_`)
	tasks := value[[]float64](p, `tasks`)
	slices.Sort(frames)
	p.do(heapprofiler.CollectGarbage())
	heap := value[float64](p, `performance.memory.usedJSHeapSize`)
	slow := len(frames) - sort.SearchFloat64s(frames, 100)
	fmt.Printf("\nFrames over 100 ms: %d of %d (%.1f %%, goal: under 5 %%). Heap of the tab with %d rows: %.1f MB (goal: 15 MB with 10,000).\n",
		slow, len(frames), 100*float64(slow)/float64(len(frames)), 10_000+rate*seconds, heap/1e6)
	fmt.Printf("\n10,000 exchanges shown and %.0f more a second for %d s: %d frames, of which half came within %.0f ms, 99 %% within %.0f ms, all within %.0f ms; %d tasks of more than 50 ms.\n",
		rate*seconds/took.Seconds(), seconds, len(frames), middle(frames), frames[len(frames)*99/100], frames[len(frames)-1], len(tasks))
}

// stillPage serves a page of the same size that does nothing: the HTML and CSS of the page,
// and in the place of each of its modules a comment of the same length.
func stillPage(t *testing.T) string {
	t.Helper()
	ui := filepath.Join(root(t), "driver", "web", "ui")
	html, err := os.ReadFile(filepath.Join(ui, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Glob(filepath.Join(ui, "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	var scripts []byte
	for _, m := range modules {
		if !onlyOfFiles(m) {
			scripts = fmt.Appendf(scripts, "<script type=module src=%s></script>", filepath.Base(m))
		}
	}
	still := regexp.MustCompile(`<script.*</script>`).ReplaceAll(html, scripts)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := filepath.Base(r.URL.Path); filepath.Ext(name) == ".js" {
			info, err := os.Stat(filepath.Join(ui, name))
			if err != nil {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/javascript")
			io.WriteString(w, "//"+strings.Repeat(" ", int(info.Size())-2))
			return
		}
		if r.URL.Path != "/" {
			http.ServeFile(w, r, filepath.Join(ui, filepath.Base(r.URL.Path)))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.Write(still)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
