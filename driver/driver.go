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
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"starproxy/builtins/follow"
	"starproxy/builtins/state"
	"starproxy/driver/access"
	"starproxy/driver/ca"
	"starproxy/driver/capture"
	"starproxy/driver/endpoints"
	"starproxy/driver/proxy"
	"starproxy/driver/rpc"
	"starproxy/driver/view"
)

// Driver controls one proxy. Its methods are called by the names in its table.
type Driver struct {
	*rpc.Table

	cfg     Config
	log     *slog.Logger
	lease   *Lease   // nil for none
	crashes *Crashes // nil in the exporter's own process

	state      *state.Store
	states     *stateMethods
	endpoints  *endpoints.Service
	journal    *capture.Journal
	sockets    *capture.Sockets // messages of WebSockets
	authority  *authority
	view       *view.Service
	captures   *captures
	recordings *recordings
	files      mockFiles
	web        *webUI
	shared     *Shared
	place      *proxy.Member // among the proxies that share an address
	access     *access.Policy
	counters   proxy.Counters
	webhooks   *webhooks

	life    sync.Mutex              // held while starting, stopping and closing
	port    int                     // what to listen on, under life
	closed  bool                    // under life
	run     atomic.Pointer[running] // nil when stopped
	changed follow.Notice           // of run
}

// Options are what a Driver gets from its surroundings.
type Options struct {
	// Log gets what happens; nil drops it.
	Log *slog.Logger
	// Shared is what the drivers of one process know of each other; nil means
	// that there is no other.
	Shared *Shared
	// Devices are the drivers that may listen at one address; nil means that
	// there is no other.
	Devices *Devices
	// Lease is the lease during which the driver is used; nil for none.
	Lease *Lease
	// Crashes tells how often the process of the driver has died before; nil
	// for a driver in the exporter's own process.
	Crashes *Crashes
}

// Crashes tells of the processes that served a driver before this one.
type Crashes struct {
	// Count is how many have died since the session began.
	Count int `json:"count"`
	// Last is why the latest one did; empty for none.
	Last string `json:"last"`
}

// Lease tells for whom an exporter serves.
type Lease struct {
	// Name is that of the lease at the controller.
	Name string `json:"name"`
	// Client is the name of the client that holds it.
	Client string `json:"client"`
}

// New makes the driver of a proxy, which is not started. It opens the
// certificate authority in the background; a failure of that is reported by
// start, or, while a key is still being made, by the log and to whoever asks
// for a certificate.
func New(cfg Config, o Options) (*Driver, error) {
	if err := cfg.resolve(); err != nil {
		return nil, err
	}
	d := &Driver{cfg: cfg, log: o.Log, lease: o.Lease, crashes: o.Crashes, state: state.New(), port: cfg.Listen.Port}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if o.Shared == nil {
		o.Shared = NewShared()
	}
	if o.Devices == nil {
		o.Devices = NewDevices(d.log)
	}
	d.place = o.Devices.demux.Join(cfg.Listen.Host, cfg.Listen.Port, cfg.Listen.selection(), inSeconds(cfg.Listen.IdleTimeout))
	o.Shared.Protect(ca.KeyPaths(d.cfg.Directories.Conf)...)
	d.shared, d.access = o.Shared, d.cfg.access(o.Shared)
	d.webhooks = d.newWebhooks()
	d.journal = capture.New(capture.Options{
		MaxBytes: cfg.Capture.MaxBytes,
		MaxSpool: cfg.Capture.MaxSpoolBytes,
		Inline:   cfg.Capture.InlineBytes,
		SpoolDir: cfg.Directories.spool(),
	})
	d.sockets = capture.NewSockets(d.journal, capture.Options{MaxBytes: max(cfg.Capture.MaxBytes, capture.DefaultMaxBytes) / 4})
	if n, err := d.journal.Sweep(); err != nil {
		d.log.Warn("captured bodies of an earlier process are left", "error", err)
	} else if n > 0 {
		d.log.Info("captured bodies of an earlier process are removed", "files", n)
	}
	d.endpoints = d.cfg.endpoints(endpoints.Options{
		Access: d.access, State: d.state, Script: d.cfg.script(d.access, d.state, d.log, d.webhooks.deliver), Journal: d.journal, Log: d.log,
	})
	d.view = view.New(view.Options{
		Journal: d.journal, Sockets: d.sockets, Table: d.endpoints.Table(),
		Mocks:   d.mocking,
		Address: d.ownAddress,
	})
	d.captures = &captures{journal: d.journal, sockets: d.sockets, view: d.view, access: d.access, files: cfg.Directories.Files, spool: cfg.Directories.spool()}
	d.recordings = newRecordings(&d.cfg, d.access, d.log)
	d.files = mockFiles{newUploads(cfg.Directories.Files, d.access, 0o644)}
	d.web = &webUI{host: cfg.Web.Host, port: cfg.Web.Port, table: func() *rpc.Table { return d.Table }, shared: d.shared, log: d.log}
	d.authority = o.Shared.authorities.open(d.cfg.Directories.Conf, d.log)
	d.states = &stateMethods{d.state, d.endpoints.Table()}
	mocks := &mockMethods{d.endpoints}
	d.Table = rpc.NewTable(d.log, d.methods(), mocks.rows(), d.states.rows(), d.webhooks.rows(), d.authority.rows(), d.endpoints.Rows(),
		d.captures.rows(), d.recordings.rows(), d.files.rows(), d.web.rows(), d.view.Rows())
	return d, nil
}

// Close stops the proxy if it runs and releases everything. It may be called
// more than once.
func (d *Driver) Close() error {
	d.life.Lock()
	defer d.life.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	var err error
	if r := d.run.Load(); r != nil {
		d.log.Info("stopping the proxy at the end of the session", "mode", r.mode, "address", r.address)
		err = d.shut(context.Background(), r)
	}
	d.place.Leave()
	d.web.close()
	d.endpoints.Close()
	d.journal.Close()
	d.sockets.Close()
	d.files.close()
	d.recordings.uploads.close()
	d.authority.wait()
	d.shared.authorities.close(d.authority)
	return err
}
