// Package exporter serves drivers to Jumpstarter clients: it reads the stock
// exporter file, builds the drivers it names and answers ExporterService and
// RouterService on a unix socket, on TCP and through the tunnels of a lease.
//
// A Session is safe for concurrent use; calls to one driver run at the same
// time. A local exporter has one session for its life, one that is leased by a
// controller has one for each lease.
package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/google/uuid"

	"starproxy/driver"
	"starproxy/driver/exporter/part"
	"starproxy/driver/pb"
)

// Options are the surroundings of a session.
type Options struct {
	// Log takes the log of the session and its drivers; clients that ask for
	// it get the same records from Info up. Nil discards it.
	Log *slog.Logger
	// Shared is what the sessions of one process know of each other: the files
	// that no client gets and the listeners that no device reaches. Nil makes one.
	Shared *driver.Shared
	// Lease is the lease that the session serves; nil for none.
	Lease *driver.Lease
	// EndSession is asked when a client ends the lease. It returns at once: the
	// session goes on until it is closed. Nil answers that there is no lease.
	EndSession func() (success bool, message string)
	// Python hosts the drivers that are not ours, for one session after the
	// other; it is not closed with the session. Nil makes one for this session.
	Python *part.Part
	// Isolate has the proxies run in a process of their own; nil has them run in
	// this one.
	Isolate *Isolation

	records func(*pb.LogStreamResponse) // gets each record of the log at once; nil for nobody
	crashes *driver.Crashes             // of processes before this one, where it is one of proxies
	uuids   map[string]uuid.UUID        // those of the proxies, by path; made up where there is none

	// open replaces driver.New in tests.
	open func(driver.Config, driver.Options) (instance, error)
}

// Session holds the drivers of one configuration from their start to their end.
type Session struct {
	config     *Config
	log        *slog.Logger
	next       slog.Handler // where records go beside the ring
	ring       *logRing
	status     *sessionStatus
	shared     *driver.Shared
	endSession func() (success bool, message string)

	id       uuid.UUID
	items    []item
	ids      map[*Node]uuid.UUID  // of our drivers
	served   map[uuid.UUID]served // groups included
	proxies  []*Node              // each once, in the order of the report
	reports  []*pb.DriverInstanceReport
	python   *remote    // nil without drivers of Python's
	isolated *isolated  // nil for proxies of this process
	ownPart  *part.Part // the Python part of this session alone; nil for none

	closing context.Context // done when Close begins
	shut    context.CancelFunc

	mu        sync.Mutex
	motd      string
	listeners []*listener
	closed    bool
}

// Open builds the tree of config with one driver per proxy. Nothing listens and
// no proxy runs until it is asked to. The status of the session is LEASE_READY.
func Open(config *Config, o Options) (*Session, error) {
	items, err := config.checked()
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Shared == nil {
		o.Shared = driver.NewShared()
	}
	if o.open == nil {
		o.open = func(c driver.Config, o driver.Options) (instance, error) { return driver.New(c, o) }
	}
	s := &Session{
		config:     config,
		next:       o.Log.Handler(),
		ring:       newLogRing(),
		status:     newSessionStatus(pb.ExporterStatus_EXPORTER_STATUS_LEASE_READY, "Ready for commands"),
		shared:     o.Shared,
		endSession: o.EndSession,
		id:         uuid.New(),
		items:      items,
		ids:        map[*Node]uuid.UUID{},
		served:     map[uuid.UUID]served{},
		motd:       config.MOTD,
	}
	if config.Path != "" {
		s.shared.Protect(config.Path) // it has the controller's token, and commands in its hooks
	}
	s.ring.also = o.records
	s.closing, s.shut = context.WithCancel(context.Background())
	s.log = s.Logger(pb.LogSource_LOG_SOURCE_SYSTEM)
	if err := s.openDrivers(o); err != nil {
		s.shut()
		return nil, errors.Join(err, s.closeDrivers())
	}
	if err := s.describe(); err != nil {
		s.shut()
		return nil, errors.Join(err, s.closeDrivers())
	}
	for _, w := range config.Warnings {
		s.log.Warn(w)
	}
	return s, nil
}

// openDrivers makes the driver of every node, each once.
func (s *Session) openDrivers(o Options) error {
	if err := s.openPython(o); err != nil {
		return err
	}
	devices := driver.NewDevices(s.log)
	for _, it := range s.items {
		if _, known := s.ids[it.node]; known || it.node.foreign() {
			continue
		}
		id, given := o.uuids[it.path]
		if !given {
			id = uuid.New()
		}
		s.ids[it.node] = id
		if it.node.Driver == nil {
			s.served[id] = hosted{group{}}
			continue
		}
		s.proxies = append(s.proxies, it.node)
		if o.Isolate != nil {
			continue
		}
		log := slog.New(&logHandler{ring: s.ring, source: pb.LogSource_LOG_SOURCE_DRIVER, driverType: "network", next: s.next})
		d, err := o.open(*it.node.Driver, driver.Options{Log: log.With("export", it.path), Shared: s.shared, Devices: devices,
			Lease: o.Lease, Crashes: o.crashes})
		if err != nil {
			s.proxies = s.proxies[:len(s.proxies)-1]
			return it.node.placed("export.%s: %w", it.path, err)
		}
		s.served[id] = hosted{d}
	}
	if o.Isolate == nil || len(s.proxies) == 0 {
		return nil
	}
	var err error
	if s.isolated, err = s.isolate(o); err != nil {
		return err
	}
	for _, p := range s.isolated.spec.Proxies {
		s.served[p.UUID] = forwarded{to: s.isolated, called: func(ctx context.Context, r *remote, method string) {
			s.isolated.called(ctx, r, p.Path, method)
		}}
	}
	return nil
}

// openPython has Python host the drivers that are not ours.
func (s *Session) openPython(o Options) error {
	if !s.config.Foreign() {
		return nil
	}
	export, err := pythonExport(s.config.Export)
	if err != nil {
		return err
	}
	if o.Python == nil {
		s.ownPart = part.Python("", s.log)
		o.Python = s.ownPart
	}
	if s.python, err = openRemote(s.closing, o.Python, map[string]string{"export": export}, s.log); err != nil {
		return s.config.missing(err)
	}
	go s.followLog(s.closing, s.python)
	go func() {
		select {
		case <-s.python.session.Dead():
			s.log.Error(oneLine(s.python.session.Reason().Error()) + "; its drivers cannot be used until the session ends")
		case <-s.closing.Done():
		}
	}()
	return nil
}

// Proxies returns the dotted paths of the proxies, each driver once, in the
// order of the configuration.
func (s *Session) Proxies() []string {
	out := make([]string, 0, len(s.proxies))
	for _, n := range s.proxies {
		for _, it := range s.items {
			if it.node == n {
				out = append(out, it.path)
				break
			}
		}
	}
	return out
}

// Logger returns a logger whose records reach the clients that follow the
// session's log, with the given source.
func (s *Session) Logger(source pb.LogSource) *slog.Logger {
	return slog.New(&logHandler{ring: s.ring, source: source, next: s.next})
}

// SetStatus sets the status that GetStatus returns from now on. Clients may call drivers
// while it is LEASE_READY or that of a hook.
func (s *Session) SetStatus(current pb.ExporterStatus, message string) {
	s.status.set(current, message)
}

// SetMOTD replaces the message of the day.
func (s *Session) SetMOTD(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.motd = text
}

// Close ends the session: streams end at once, calls are given a second to
// finish, then the drivers close. It may be called again.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	listeners := s.listeners
	s.mu.Unlock()

	s.status.set(pb.ExporterStatus_EXPORTER_STATUS_OFFLINE, "Exporter shutting down")
	s.shut()
	errs := make([]error, len(listeners))
	var wg sync.WaitGroup
	for i, l := range listeners {
		wg.Go(func() { errs[i] = l.close() })
	}
	wg.Wait()
	return errors.Join(errors.Join(errs...), s.closeDrivers())
}

func (s *Session) closeDrivers() error {
	var errs []error
	for _, n := range s.proxies {
		if d := s.served[s.ids[n]]; d != nil {
			if err := d.close(); err != nil {
				errs = append(errs, fmt.Errorf("close %s: %w", n.Name, err))
			}
		}
	}
	if s.isolated != nil {
		errs = append(errs, s.isolated.close())
	}
	if s.python != nil {
		errs = append(errs, s.python.close())
	}
	if s.ownPart != nil {
		s.ownPart.Close()
	}
	return errors.Join(errs...)
}
