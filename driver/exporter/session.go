// Package exporter serves drivers to Jumpstarter clients: it reads the stock
// exporter file, builds the drivers it names and answers ExporterService and
// RouterService on a unix socket and on TCP.
//
// An Exporter is safe for concurrent use; calls to one driver run at the same
// time. The command line runs one per process, tests run many.
package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"sync"

	"github.com/google/uuid"

	"starproxy/driver"
	"starproxy/driver/pb"
)

// Options are what New needs beside the configuration.
type Options struct {
	// Log takes the log of the exporter and its drivers; clients that ask for
	// it get the same records from Info up. Nil discards it.
	Log *slog.Logger

	// open replaces driver.New in tests.
	open func(driver.Config, driver.Options) (instance, error)
}

// instance is what the exporter needs of a driver.
type instance interface {
	Call(ctx context.Context, method string, args []any) (any, error)
	Stream(ctx context.Context, method string, args []any) (iter.Seq2[any, error], error)
	Connect(ctx context.Context, method string) (net.Conn, error)
	io.Closer
}

// Exporter holds the drivers of one configuration for the life of one session.
type Exporter struct {
	config *Config
	log    *slog.Logger
	ring   *logRing
	status *sessionStatus
	shared *driver.Shared

	session uuid.UUID
	items   []item
	ids     map[*Node]uuid.UUID
	served  map[uuid.UUID]instance // groups included
	proxies []*Node                // each once, in the order of the report

	closing context.Context // done when Close begins
	shut    context.CancelFunc

	mu        sync.Mutex
	listeners []*listener
	closed    bool
}

// New builds the tree of config with one driver per proxy. Nothing listens and
// no proxy runs until it is asked to.
func New(config *Config, o Options) (*Exporter, error) {
	items, err := unfold(config)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.open == nil {
		o.open = func(c driver.Config, o driver.Options) (instance, error) { return driver.New(c, o) }
	}
	e := &Exporter{
		config:  config,
		ring:    newLogRing(),
		status:  newSessionStatus(pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY, "Ready for commands"),
		session: uuid.New(),
		items:   items,
		ids:     map[*Node]uuid.UUID{},
		served:  map[uuid.UUID]instance{},
		shared:  driver.NewShared(),
	}
	if config.Path != "" {
		e.shared.Protect(config.Path) // it has the controller's token, and commands in its hooks
	}
	e.closing, e.shut = context.WithCancel(context.Background())
	e.log = slog.New(&logHandler{ring: e.ring, source: pb.LogSource_LOG_SOURCE_SYSTEM, next: o.Log.Handler()})
	for _, it := range items {
		if _, known := e.ids[it.node]; known {
			continue
		}
		id := uuid.New()
		e.ids[it.node] = id
		if it.node.Driver == nil {
			e.served[id] = group{}
			continue
		}
		log := slog.New(&logHandler{ring: e.ring, source: pb.LogSource_LOG_SOURCE_DRIVER, driverType: "network", next: o.Log.Handler()})
		d, err := o.open(*it.node.Driver, driver.Options{Log: log.With("export", it.path), Shared: e.shared})
		if err != nil {
			e.shut()
			return nil, errors.Join(it.node.placed("export.%s: %w", it.path, err), e.closeDrivers())
		}
		e.served[id] = d
		e.proxies = append(e.proxies, it.node)
	}
	for _, w := range config.Warnings {
		e.log.Warn(w)
	}
	return e, nil
}

// Driver returns the proxy at the dotted path from the root ("proxy",
// "bench.proxy"), through refs too; nil when there is none.
func (e *Exporter) Driver(path string) *driver.Driver {
	for _, it := range e.items {
		if it.path == path {
			d, _ := e.served[e.ids[it.node]].(*driver.Driver)
			return d
		}
	}
	return nil
}

// Proxies returns the dotted paths of the proxies, each driver once, in the
// order of the configuration.
func (e *Exporter) Proxies() []string {
	out := make([]string, 0, len(e.proxies))
	for _, n := range e.proxies {
		for _, it := range e.items {
			if it.node == n {
				out = append(out, it.path)
				break
			}
		}
	}
	return out
}

// Log returns the exporter's logger: what is written to it reaches the clients
// that follow the exporter's log.
func (e *Exporter) Log() *slog.Logger { return e.log }

// Close ends the session: streams end at once, calls are given a second to
// finish, then the proxies stop. It may be called again.
func (e *Exporter) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	listeners := e.listeners
	e.mu.Unlock()

	e.status.set(pb.ExporterStatus_EXPORTER_STATUS_OFFLINE, "Exporter shutting down")
	e.shut()
	errs := make([]error, len(listeners))
	var wg sync.WaitGroup
	for i, l := range listeners {
		wg.Go(func() { errs[i] = l.close() })
	}
	wg.Wait()
	return errors.Join(errors.Join(errs...), e.closeDrivers())
}

func (e *Exporter) closeDrivers() error {
	var errs []error
	for _, n := range e.proxies {
		if err := e.served[e.ids[n]].Close(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", n.Name, err))
		}
	}
	return errors.Join(errs...)
}

// group is the driver of a node that only has children: it has no methods.
type group struct{}

func (group) Call(_ context.Context, method string, _ []any) (any, error) {
	return nil, noMethod(method)
}

func (group) Stream(_ context.Context, method string, _ []any) (iter.Seq2[any, error], error) {
	return nil, noMethod(method)
}

func (group) Connect(_ context.Context, method string) (net.Conn, error) {
	return nil, noMethod(method)
}

func (group) Close() error { return nil }

func noMethod(name string) error {
	return &driver.Error{Code: driver.NotFound, Message: fmt.Sprintf("method %s not found on driver", name)}
}

// Interface guards.
var (
	_ instance = group{}
	_ instance = (*driver.Driver)(nil)
)
