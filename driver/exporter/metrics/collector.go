package metrics

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"starproxy/driver"
)

// counts are the counters of an export: by description and labels after the
// export's own.
type counts map[count]uint64

type count struct {
	desc   *prometheus.Desc
	labels [2]string
}

// kept are the counts of an export. A session, or a process, that takes the place of
// another one counts from 0; the sum goes on.
type kept struct {
	before counts          // of the drivers before the last one
	last   *driver.Metrics // of the last one that answered; nil for none
	up     bool            // the last call was answered
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("starproxy_"+name, help, append([]string{"export"}, labels...), nil)
}

// descs are the descriptions of the metrics of a proxy.
type descs struct {
	up, mode, mocks                           *prometheus.Desc
	requests, unmatched, refused              *prometheus.Desc
	streams, dials, tls                       *prometheus.Desc
	scripts, dropped, spoolErrors             *prometheus.Desc
	bytes, maxBytes, entries, spool, maxSpool *prometheus.Desc
}

func newDescs() descs {
	return descs{
		up:          desc("proxy_up", "1 when the proxy's counters could be read, else 0."),
		mode:        desc("proxy_mode", "1 for the mode that the proxy is in, or stopped.", "mode"),
		mocks:       desc("mocks", "Endpoints in force."),
		requests:    desc("requests_total", "Requests of devices by what became of them.", "outcome"),
		unmatched:   desc("unmatched_requests_total", "Requests that no mock, or no recording, answers."),
		refused:     desc("refused_requests_total", "What devices sent as requests and was refused, such as malformed ones."),
		streams:     desc("streams_total", "Tunnels that carried something else than HTTP."),
		dials:       desc("dials_total", "Attempts to connect to real servers.", "result"),
		tls:         desc("tls_failures_total", "TLS handshakes that failed, with devices and with real servers.", "peer", "reason"),
		scripts:     desc("script_errors_total", "Exchanges in which a script failed."),
		dropped:     desc("journal_dropped_total", "Captured exchanges that went for want of room."),
		spoolErrors: desc("spool_errors_total", "Captured bodies that could not be written to disk."),
		bytes:       desc("journal_bytes", "Memory that captured exchanges take."),
		maxBytes:    desc("journal_max_bytes", "Memory that captured exchanges may take."),
		entries:     desc("journal_entries", "Captured exchanges that are held."),
		spool:       desc("spool_bytes", "Disk that captured bodies take."),
		maxSpool:    desc("spool_max_bytes", "Disk that captured bodies may take."),
	}
}

// counters returns the counters among the metrics of a proxy.
func (d *descs) counters(m *driver.Metrics) counts {
	c := counts{
		{desc: d.unmatched}:   m.Unmatched,
		{desc: d.refused}:     m.Refused,
		{desc: d.streams}:     m.Streams,
		{desc: d.scripts}:     m.ScriptErrors,
		{desc: d.dropped}:     m.Journal.Dropped,
		{desc: d.spoolErrors}: m.Journal.SpoolErrors,
	}
	for outcome, n := range m.Requests {
		c[count{d.requests, [2]string{outcome}}] = n
	}
	for result, n := range m.Dials {
		c[count{d.dials, [2]string{result}}] = n
	}
	for peer, reasons := range m.TLSFailures {
		for reason, n := range reasons {
			c[count{d.tls, [2]string{peer, reason}}] = n
		}
	}
	return c
}

// collector asks the proxies at each scrape.
type collector struct{ *Metrics }

// Describe sends the descriptions of all metrics.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	d := &c.descs
	for _, one := range []*prometheus.Desc{d.up, d.mode, d.mocks, d.requests, d.unmatched, d.refused, d.streams, d.dials, d.tls,
		d.scripts, d.dropped, d.spoolErrors, d.bytes, d.maxBytes, d.entries, d.spool, d.maxSpool} {
		to <- one
	}
}

// Collect asks the proxies. Of one that does not answer in time it tells just
// that, and its counters as they were.
func (c collector) Collect(to chan<- prometheus.Metric) {
	c.asking.Lock()
	defer c.asking.Unlock()
	c.ask()
	c.mu.Lock()
	defer c.mu.Unlock()
	for export, k := range c.kept {
		k.collect(&c.descs, export, to)
	}
	for export := range c.proxies {
		k := c.kept[export]
		to <- prometheus.MustNewConstMetric(c.descs.up, prometheus.GaugeValue, number(k != nil && k.up), export)
		if k == nil || !k.up {
			continue
		}
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{export}, labels...)...)
		}
		gauge(c.descs.mode, 1, k.last.Mode)
		gauge(c.descs.mocks, float64(k.last.Mocks))
		gauge(c.descs.bytes, float64(k.last.Journal.Bytes))
		gauge(c.descs.maxBytes, float64(k.last.Journal.MaxBytes))
		gauge(c.descs.entries, float64(k.last.Journal.Entries))
		gauge(c.descs.spool, float64(k.last.Journal.SpoolBytes))
		gauge(c.descs.maxSpool, float64(k.last.Journal.MaxSpool))
	}
}

// collect sends the counters of an export.
func (k *kept) collect(d *descs, export string, to chan<- prometheus.Metric) {
	for c, n := range k.total(d) {
		labels := []string{export}
		for _, l := range c.labels {
			if l != "" {
				labels = append(labels, l)
			}
		}
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(n), labels...)
	}
}

// total returns the sum of all counts of the export.
func (k *kept) total(d *descs) counts {
	sum := maps.Clone(k.before)
	if sum == nil {
		sum = counts{}
	}
	if k.last != nil {
		for c, n := range d.counters(k.last) {
			sum[c] += n
		}
	}
	return sum
}

// ask reads the counters of every proxy, several at the same time; asking is
// held.
func (m *Metrics) ask() {
	m.mu.Lock()
	proxies := m.proxies
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), m.scrape)
	defer cancel()
	places := make(chan struct{}, maxAsked)
	var all sync.WaitGroup
	for export, proxy := range proxies {
		all.Go(func() {
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
			case <-ctx.Done():
			}
			now, err := read(ctx, proxy)
			if was := m.keep(export, now); err != nil && was {
				m.log.Warn("a proxy gives no metrics", "export", export, "error", err)
			}
		})
	}
	all.Wait()
}

// read gets the metrics of one proxy.
func read(ctx context.Context, proxy Caller) (*driver.Metrics, error) {
	result, err := proxy.Call(ctx, "get_metrics")
	if err = cmp.Or(ctx.Err(), err); err != nil {
		return nil, err
	}
	text, _ := result.(string)
	now := new(driver.Metrics)
	if err := json.Unmarshal([]byte(text), now); err != nil {
		return nil, fmt.Errorf("get_metrics: got %T that is not the JSON expected: %w", result, err)
	}
	return now, nil
}

// keep notes what a proxy told, nil for nothing. It reports whether the proxy
// told something the last time, or was not asked yet.
func (m *Metrics) keep(export string, now *driver.Metrics) (was bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kept[export]
	if k == nil {
		k = &kept{up: true}
		m.kept[export] = k
	}
	was = k.up
	if k.up = now != nil; !k.up {
		return was
	}
	if k.last != nil && k.last.Source != now.Source {
		k.before = k.total(&m.descs)
	}
	k.last = now
	return was
}

// Interface guards.
var _ prometheus.Collector = collector{}
