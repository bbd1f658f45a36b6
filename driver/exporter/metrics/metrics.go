// Package metrics tells Prometheus and those who look after a bench how an
// exporter is: counters of its proxies, the state of its lease, whether it is
// healthy.
//
// The proxies are asked at each scrape, by the method get_metrics, wherever
// they run; nothing is counted here on the path of a request. A Metrics is for
// any number of goroutines; a process has one, whatever sessions come and go.
//
// cli makes it, and the controller mode sets the state of the lease.
package metrics

import (
	"cmp"
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// scrapeTime is the default of Options.ScrapeTime.
const scrapeTime = 3 * time.Second

// maxAsked bounds how many proxies are asked at the same time.
const maxAsked = 16

// Caller calls the methods of a proxy. *client.Node is one.
type Caller interface {
	Call(ctx context.Context, method string, args ...any) (any, error)
}

// Options configure New.
type Options struct {
	// Version and Commit are those of the program; empty when not known.
	Version, Commit string
	// Log hears of proxies that don't answer. Nil discards it.
	Log *slog.Logger
	// ScrapeTime bounds how long the proxies may take for one scrape; Prometheus
	// gives up after ten seconds by default. 0 means 3 s.
	ScrapeTime time.Duration
}

// Metrics are all that is told about an exporter.
type Metrics struct {
	log      *slog.Logger
	scrape   time.Duration
	registry *prometheus.Registry
	descs    descs

	asking sync.Mutex // held while proxies are asked, so that what they tell comes in order

	mu         sync.Mutex
	controller *Controller       // nil until it is asked for
	proxies    map[string]Caller // by export
	kept       map[string]*kept  // by export, those that are gone too
}

// New makes the metrics of a process, which has no proxies yet.
func New(o Options) *Metrics {
	m := &Metrics{
		log: o.Log, scrape: cmp.Or(o.ScrapeTime, scrapeTime), registry: prometheus.NewRegistry(), descs: newDescs(),
		kept: map[string]*kept{},
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "starproxy_build_info", Help: "The program; always 1.",
		ConstLabels: prometheus.Labels{"version": o.Version, "commit": o.Commit, "go_version": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build, collector{m},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// SetProxies replaces the proxies that are asked, by the dotted path of their
// export; nil for none. Those asked until now are asked a last time: their
// counters stay, and go on when an export comes back.
func (m *Metrics) SetProxies(proxies map[string]Caller) {
	m.asking.Lock()
	defer m.asking.Unlock()
	m.ask()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proxies = proxies
}

// Controller returns where the controller mode tells how it is. Before the
// first call nothing about a controller is shown.
func (m *Metrics) Controller() *Controller {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.controller == nil {
		m.controller = newController(m.registry)
	}
	return m.controller
}
