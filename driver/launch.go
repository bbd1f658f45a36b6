package driver

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"starproxy/driver/flow"
	"starproxy/driver/proxy"
	"starproxy/driver/rpc"
)

// launch is a start under way. Everything that can fail comes first, while the
// proxy that runs, if one does, goes on; then the new one takes its place.
type launch struct {
	run    *running
	config proxy.Config
	port   int
	page   func()   // serves or ends the web UI, as the start asks for
	undo   []func() // what takes back what was readied, the latest last
}

// launch starts a proxy, in the place of the one that runs. When that fails
// everything is as it was, and the text says why. The caller holds life.
func (d *Driver) launch(ctx context.Context, mode string, webUI bool, replayFile string, port int) (string, error) {
	if port == 0 {
		port = d.port
	}
	l := &launch{run: &running{mode: mode}, port: port}
	if err := d.ready(ctx, l, webUI, replayFile); err != nil {
		l.back()
		return "", err
	}
	if old := d.run.Load(); old != nil {
		if err := d.shut(ctx, old); err != nil {
			d.log.Warn("the proxy stopped with an error", "error", err)
		}
	}
	return d.begin(ctx, l)
}

// back undoes what was readied.
func (l *launch) back() {
	for i := len(l.undo) - 1; i >= 0; i-- {
		l.undo[i]()
	}
}

// ready does all of a start that can fail.
func (d *Driver) ready(ctx context.Context, l *launch, webUI bool, replayFile string) error {
	if err := d.authority.prepare(); err != nil {
		return notStarted(err)
	}
	l.config = proxy.Config{
		CA:        d.authority,
		Journal:   d.journal,
		Sockets:   d.sockets,
		Listeners: &d.shared.listeners,
		Hidden:    &d.shared.hidden,
		Counters:  &d.counters,
		Insecure:  d.cfg.SSLInsecure,
		MinTLS:    d.cfg.TLS.MinVersion.number(),
		Log:       d.log,

		Idle:       inSeconds(d.cfg.Listen.IdleTimeout),
		TunnelIdle: inSeconds(d.cfg.Listen.TunnelIdleTimeout),
	}
	for _, step := range []func() error{
		func() error { return d.readyListener(l) },
		func() error { return d.readyPage(ctx, l, webUI) },
		func() error { return d.readyMode(l, replayFile) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	l.config.Handler = d.handler(l.run)
	return nil
}

// readyListener binds the address. The proxy that listens there already shares
// its socket: connections that come while the two change wait.
func (d *Driver) readyListener(l *launch) error {
	var err error
	if old := d.run.Load(); old != nil && old.port == l.port {
		l.config.Listener, err = old.proxy.Share()
	} else {
		l.config.Listener, err = d.place.Listen(l.port)
	}
	if err != nil {
		return notListening("listen.port", "port", l.port, err)
	}
	l.undo = append(l.undo, func() { l.config.Listener.Close() })
	return nil
}

// readyPage prepares the page.
func (d *Driver) readyPage(ctx context.Context, l *launch, on bool) error {
	serve, undo, err := d.web.ready(ctx, on)
	if err != nil {
		return err
	}
	l.page = serve
	l.undo = append(l.undo, undo)
	return nil
}

// readyMode opens what the mode answers from or records to.
func (d *Driver) readyMode(l *launch, replayFile string) error {
	r, err := l.run, error(nil)
	switch r.mode {
	case modeMock:
		undo, err := d.endpoints.Renew()
		if err != nil {
			return stock(rpc.FailedPrecondition, "", "Failed to initialize mock mode: %v", err)
		}
		l.undo = append(l.undo, undo)
		l.config.Isolated = d.cfg.Unmatched == Reject
	case modeReplay:
		r.replayFile, _ = d.recordings.file(replayFile)
		if r.replay, err = d.cfg.Replay.open(r.replayFile); err != nil {
			return notStarted(err)
		}
		l.undo = append(l.undo, func() { r.replay.Close() })
		l.config.Isolated = d.cfg.Replay.isolated()
	case modeRecord:
		if r.recorder, err = flow.Record(d.cfg.Directories.Flows, time.Now(), d.log); err != nil {
			return notStarted(err)
		}
		r.release = d.journal.Hold()
		l.undo = append(l.undo, func() {
			r.release()
			r.recorder.Close()
			os.Remove(r.recorder.Path())
		})
		l.config.Recorder = r.recorder
	}
	return nil
}

// begin begins to serve what is ready, where nothing is served now. It returns
// when the CA's files are there, too.
func (d *Driver) begin(ctx context.Context, l *launch) (string, error) {
	r := l.run
	r.proxy = proxy.New(l.config)
	if err := r.proxy.Start(); err != nil {
		l.back()
		return "", fmt.Errorf("the proxy did not start: %w", err)
	}
	l.page()
	if l.port != 0 {
		d.port = l.port // holds for later starts too, as callers of the stock driver expect
		d.place.Settle(l.port)
	}
	r.port = r.proxy.Addr().(*net.TCPAddr).Port
	r.address = net.JoinHostPort(d.cfg.Listen.Host, strconv.Itoa(r.port))
	d.run.Store(r)
	d.changed.Notify()
	d.makeDirectories()
	d.log.Info("proxy started", "mode", r.mode, "address", r.address)
	if r.replay != nil {
		for _, w := range r.replay.Warnings() {
			d.log.Warn("not replayed", "why", w)
		}
	}
	if !d.authority.ready(ctx) {
		d.log.Warn("the CA is still being made", "directory", d.authority.dir)
	}
	if text := d.authority.Problem(); text != "" {
		d.log.Warn("devices may refuse our certificates", "why", text, "directory", d.authority.dir)
	}
	text := fmt.Sprintf("Started in '%s' mode on %s (PID %d)", r.mode, r.address, os.Getpid())
	if link := d.web.url(); link != "" {
		text += " | Web UI: " + link
	}
	if r.recorder != nil {
		text += " | Recording to: " + r.recorder.Path()
	}
	return text, nil
}

// makeDirectories makes those that people put files into, where that is allowed.
func (d *Driver) makeDirectories() {
	for _, dir := range []string{d.cfg.Directories.Flows, d.cfg.Directories.Mocks, d.cfg.Directories.Files} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			d.log.Warn("directory not made", "error", err)
		}
	}
}
