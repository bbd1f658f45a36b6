// Package driver is the Jumpstarter driver of one proxy: its life-cycle and the
// table of methods that tests, command line and browser call.
//
// A Driver is for any number of goroutines; starting and stopping wait for each
// other, everything else goes on meanwhile.
//
// exporter makes one per proxy of an exporter file and carries its methods over
// gRPC.
package driver

import (
	"fmt"
	"log/slog"
	"sync"

	"starproxy/builtins/clock"
	"starproxy/builtins/state"
	"starproxy/driver/ca"
	"starproxy/driver/capture"
	"starproxy/driver/contract"
	"starproxy/driver/endpoints"
	"starproxy/driver/faultplan"
	"starproxy/driver/handshake"
	"starproxy/driver/hold"
	"starproxy/driver/network"
	"starproxy/driver/proxy"
	"starproxy/driver/render"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
	"starproxy/driver/tlsfault"
	"starproxy/driver/view"
)

// Driver controls one proxy. It composes services, whose methods are called by the
// names in its table.
type Driver struct {
	*rpc.Table

	cfg        Config
	life       *lifecycle
	shared     *Shared
	authority  *authority
	journal    *capture.Journal
	sockets    *capture.Sockets // messages of WebSockets
	endpoints  *endpoints.Service
	tlsFaults  *tlsFaults
	handshakes *handshakes
	webhooks   *webhooks
	captures   *captures
	reporter   *reporter
	recordings *recordings
	faultPlans *faultPlans
	networks   *networks
	holds      *holds
	contracts  *contracts
	checks     *checkups
	files      mockFiles
	coverage   *coverage
	bundles    *bundles
	protos     *render.Protos // nil for none
	logged     logLines       // the newest records of the log
	ending     sync.Once      // writes the bundle of a session that ends
}

// Options are the surroundings of a Driver.
type Options struct {
	// Log is for all messages; nil drops them.
	Log *slog.Logger
	// Shared is the knowledge that the drivers of one process share; nil means
	// that there is no other driver.
	Shared *Shared
	// Devices are the drivers that may listen at one address; nil means that
	// there is no other.
	Devices *Devices
	// Lease is the lease during which the driver is used; nil for none.
	Lease *Lease
	// Crashes counts how often the process of the driver has died before; nil
	// for a driver in the exporter's own process.
	Crashes *Crashes
}

// Crashes counts the processes that served a driver before this one.
type Crashes struct {
	// Count is the number of those that have died since the session began.
	Count int `json:"count"`
	// Last is the reason why the latest one died; empty for none.
	Last string `json:"last"`
}

// Lease is the lease during which an exporter serves.
type Lease struct {
	// Name is that of the lease at the controller.
	Name string `json:"name"`
	// Client is the name of the client that holds it.
	Client string `json:"client"`
}

// New makes the driver of a proxy, which is not started. It opens the
// certificate authority in the background. When that fails, start fails too; when it
// fails while a key is still being made, the log and each call for a certificate
// report it.
func New(cfg Config, o Options) (*Driver, error) {
	if err := cfg.resolve(); err != nil {
		return nil, err
	}
	protos, err := render.LoadProtos(cfg.Protos)
	if err != nil {
		return nil, fmt.Errorf("protos: %w", err)
	}
	o = o.resolve()
	d := &Driver{cfg: cfg, shared: o.Shared, protos: protos}
	o.Log, d.logged = newLogRing(o.Log)
	o.Shared.Protect(ca.KeyPaths(cfg.Directories.Conf)...)
	d.openJournal(o.Log)
	d.authority = o.Shared.authorities.open(cfg.Directories.Conf, o.Log)
	d.compose(o)
	return d, nil
}

// resolve fills in the options that are left out.
func (o Options) resolve() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Shared == nil {
		o.Shared = NewShared()
	}
	if o.Devices == nil {
		o.Devices = NewDevices(o.Log)
	}
	return o
}

// openJournal makes the journal and removes the bodies that an earlier process has
// left.
func (d *Driver) openJournal(log *slog.Logger) {
	bounds := d.cfg.Capture
	d.journal = capture.New(capture.Options{
		MaxBytes: bounds.MaxBytes,
		MaxSpool: bounds.MaxSpoolBytes,
		Inline:   bounds.InlineBytes,
		SpoolDir: d.cfg.Directories.spool(),
	})
	d.sockets = capture.NewSockets(d.journal, capture.Options{MaxBytes: max(bounds.MaxBytes, capture.DefaultMaxBytes) / 4})
	if n, err := d.journal.Sweep(); err != nil {
		log.Warn("captured bodies of an earlier process are left", "error", err)
	} else if n > 0 {
		log.Info("captured bodies of an earlier process are removed", "files", n)
	}
}

// compose makes the services and the table of their methods.
func (d *Driver) compose(o Options) {
	cfg, dirs, log := &d.cfg, &d.cfg.Directories, o.Log
	policy, store, counters, clock := cfg.access(o.Shared), state.New(), &proxy.Counters{}, new(clock.Clock)
	changes := newTimeline(d.journal)
	store.Tell(changes.stateChanged)
	d.recordings = newRecordings(cfg, policy, log)
	d.files = mockFiles{newUploads(dirs.Files, policy, 0o644)}
	ui := &webUI{host: cfg.Web.Host, port: cfg.Web.Port, table: func() *rpc.Table { return d.Table }, shared: o.Shared, log: log}
	d.life = &lifecycle{
		sightings: &proxy.Sightings{}, timeline: changes,
		cfg: cfg, log: log, shared: o.Shared, authority: d.authority, journal: d.journal, sockets: d.sockets, counters: counters,
		state: store, clock: clock, recordings: d.recordings, web: ui, port: cfg.Listen.Port,
		handshakes: handshake.NewLog(), tlsFaults: &tlsfault.Table{}, holds: &hold.Table{Flights: d.journal.Flights()},
		faultPlans: faultplan.New(faultplan.Options{Seed: cfg.Seed, Now: clock.Now, Progress: clock.Progress}),
		network:    network.New(network.Options{Seed: cfg.Seed, Progress: clock.Progress, Turned: clock.Changed}),
		place:      o.Devices.demux.Join(cfg.Listen.Host, cfg.Listen.Port, cfg.Listen.selection(), inSeconds(cfg.Listen.IdleTimeout)),
	}
	d.holds = &holds{d.life.holds}
	d.life.fingerprints = newFingerprints(d.life.handshakes)
	d.contracts = &contracts{table: &contract.Table{}}
	d.life.contracts = d.contracts
	d.webhooks = newWebhooks(cfg, proxy.NewCaller(proxy.Config{
		Insecure: cfg.SSLInsecure, MinTLS: cfg.TLS.MinVersion.Number(), Listeners: &o.Shared.listeners, Counters: counters,
		Parent: cfg.Listen.parent(),
	}), log, d.life.maySend)
	scripts := cfg.script(policy, store, log, d.webhooks.deliver, clock)
	d.tlsFaults = &tlsFaults{d.life.tlsFaults, d.life}
	d.networks = &networks{d.life.network}
	d.handshakes = &handshakes{d.life.handshakes}
	d.faultPlans = &faultPlans{d.life.faultPlans, log, changes}
	scripts.OnEvent(d.faultPlans.event)
	d.endpoints = cfg.endpoints(endpoints.Options{
		Access: policy, State: store, Script: scripts, Journal: d.journal, Log: log, Oppose: d.oppose,
		Told: func(text string) { changes.note(momentScenario, text) },
		Anew: func() {
			d.life.tlsFaults.Restart()
			d.life.faultPlans.Restart()
			d.life.network.Restart()
		},
	})
	d.life.endpoints = d.endpoints
	looks := view.New(view.Options{
		Journal: d.journal, Sockets: d.sockets, Table: d.endpoints.Table(), Mocks: d.life.mocking, Address: d.life.ownAddress,
		Handshakes: d.life.handshakes,
		Login:      cfg.Listen.firstLogin(),
		Devices:    cfg.names(),
		Protos:     d.protos,
	})
	d.captures = &captures{
		journal: d.journal, sockets: d.sockets, view: looks, access: policy, files: dirs.Files, spool: dirs.spool(),
		fingerprints: d.life.fingerprints,
		timeline:     changes, endpoints: d.endpoints,
	}
	clocks := &clockMethods{clock}
	d.checks = &checkups{d.journal, d.life.handshakes, clock, d.life.sightings}
	mocks := &mockMethods{endpoints: d.endpoints, adversity: []resetter{d.tlsFaults, d.faultPlans, d.networks, clocks, d.holds}}
	states := &stateMethods{store, d.endpoints.Table()}
	d.reporter = &reporter{
		unmatched: cfg.Unmatched, lease: o.Lease, crashes: o.Crashes, life: d.life, web: ui, endpoints: d.endpoints,
		files: &d.recordings.uploads.changed, states: states, webhooks: d.webhooks, tlsFaults: d.tlsFaults,
		faultPlans: d.faultPlans, networks: d.networks, clocks: clocks, handshakes: d.life.handshakes, authority: d.authority,
		journal: d.journal, counters: counters, looks: looks,
		holds: d.holds,
	}
	d.coverage = &coverage{table: d.endpoints.Table(), contracts: d.contracts.table}
	expected := &expectations{captures: d.captures}
	d.bundles = &bundles{
		cfg: cfg, captures: d.captures, reporter: d.reporter, handshakes: d.handshakes, endpoints: d.endpoints, clocks: clocks,
		coverage: d.coverage, expectations: expected, contracts: d.contracts.table, logged: d.logged, log: log,
	}
	d.Table = rpc.NewTable(log, d.life.rows(), d.reporter.rows(), mocks.rows(), states.rows(), d.webhooks.rows(), d.authority.rows(),
		d.contracts.rows(),
		d.endpoints.Rows(), d.captures.rows(), d.recordings.rows(), d.files.rows(), ui.rows(), looks.Rows(), d.tlsFaults.rows(),
		d.faultPlans.rows(), d.handshakes.rows(), clocks.rows(), d.checks.rows(),
		(&onboarding{d.life, d.journal, d.life.handshakes, looks}).rows(), d.networks.rows(), d.holds.rows(),
		d.bundles.rows(), d.coverage.rows(), expected.rows())
	d.Table.Tell(changes.called)
	d.Table.Before(d.contracts.settle)
}

// oppose puts in force what a scenario sets against devices.
func (d *Driver) oppose(a scenario.Adversity) {
	d.tlsFaults.table.Load(a.TLS)
	d.networks.table.Load(a.Network)
	d.faultPlans.table.Install(a.Faults)
	d.contracts.table.Set(a.Contract)
}

// Close stops the proxy if it runs and releases everything. It may be called
// more than once.
func (d *Driver) Close() error {
	d.ending.Do(d.bundles.atEnd)
	first, err := d.life.close()
	if !first {
		return nil
	}
	d.endpoints.Close()
	d.journal.Close()
	d.sockets.Close()
	d.files.close()
	d.recordings.uploads.close()
	d.authority.wait()
	d.shared.authorities.close(d.authority)
	return err
}
