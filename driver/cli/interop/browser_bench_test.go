package interop

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestBenchPage measures how long the page takes to load, beside an empty one,
// and how smooth it stays while requests come ("make bench").
func TestBenchPage(t *testing.T) {
	if os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip("set STARPROXY_BENCH=1 (make bench) to measure")
	}
	p := open(t, browserMocks)
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>empty</title>")
	}))
	defer empty.Close()

	const rounds = 15
	ready := func(q *page) float64 {
		q.until(`performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd > 0`)
		return value[float64](q, `performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd`)
	}
	var first, again [2][]float64
	home := value[string](p, `location.origin`)
	p.do(chromedp.Navigate(empty.URL)) // nothing else is open meanwhile
	for range rounds {
		for i, link := range []string{home, empty.URL} {
			q := p.tab(link)
			first[i] = append(first[i], ready(q))
			q.do(chromedp.Reload())
			again[i] = append(again[i], ready(q))
			q.close()
		}
	}
	fmt.Printf("\n| until the page can be used | web UI | an empty page |\n|---|--:|--:|\n")
	for _, r := range []struct {
		what  string
		times [2][]float64
	}{{"first time in a tab", first}, {"reloaded", again}} {
		fmt.Printf("| %s | %.0f ms | %.0f ms |\n", r.what, middle(r.times[0]), middle(r.times[1]))
	}

	// Ten thousand exchanges, and then 500 more each second.
	p.do(chromedp.Navigate(home))
	p.until(live)
	tr := p.b.transport(false)
	defer tr.CloseIdleConnections()
	send := func() {
		req, _ := http.NewRequest("GET", "http://car.test/api/status", nil)
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	for range 10_000 {
		send()
	}
	p.until(`document.querySelector("#tally").textContent.replace(/\D/g, "").startsWith("10000")`)
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
	p.until(fmt.Sprintf(`document.querySelector("#tally").textContent.replace(/\D/g, "").startsWith("%d")`, 10_000+rate*seconds))
	frames := value[[]float64](p, `frames_`)
	tasks := value[[]float64](p, `tasks`)
	slices.Sort(frames)
	fmt.Printf("\n10,000 exchanges shown and %.0f more a second for %d s: %d frames, of which half came within %.0f ms, 99 %% within %.0f ms, all within %.0f ms; %d tasks of more than 50 ms.\n",
		rate*seconds/took.Seconds(), seconds, len(frames), middle(frames), frames[len(frames)*99/100], frames[len(frames)-1], len(tasks))
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
