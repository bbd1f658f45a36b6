package driver

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"starproxy/driver/flow"
	"starproxy/driver/proxy"
)

// launch is a start under way. Everything that can fail comes first, while the
// proxy that runs, if one does, goes on; then the new one takes its place.
type launch struct {
	*lifecycle
	args startArgs
	next *running

	config proxy.Config
	page   func()   // serves or ends the page, as the start asks for
	undo   []func() // undo what was readied, in the reverse order
}

// back undoes what was readied.
func (l *launch) back() {
	for _, undo := range slices.Backward(l.undo) {
		undo()
	}
}

// ready does all of a start that can fail.
func (l *launch) ready(ctx context.Context) error {
	if err := l.authority.prepare(); err != nil {
		return notStarted(err)
	}
	l.config = proxy.Config{
		Sightings:  l.sightings,
		Resolver:   l.cfg.DNS.resolver(),
		CA:         l.authority,
		Journal:    l.journal,
		Inspector:  l.contracts,
		Sockets:    l.sockets,
		Listeners:  &l.shared.listeners,
		Hidden:     &l.shared.hidden,
		Counters:   l.counters,
		TLSFaults:  l.tlsFaults,
		Handshakes: l.handshakes,
		Network:    l.network,
		Insecure:   l.cfg.SSLInsecure,
		MinTLS:     l.cfg.TLS.MinVersion.Number(),
		Clock:      l.clock,
		Log:        l.log,

		Idle:       inSeconds(l.cfg.Listen.IdleTimeout),
		TunnelIdle: inSeconds(l.cfg.Listen.TunnelIdleTimeout),
	}
	if err := l.readyListener(); err != nil {
		return err
	}
	if err := l.readyWays(); err != nil {
		return err
	}
	if err := l.readyPage(ctx); err != nil {
		return err
	}
	if err := l.readyMode(); err != nil {
		return err
	}
	l.config.Handler = l.handler(l.next)
	return nil
}

// readyListener binds the address. A proxy that listens there already shares its
// socket, so that connections wait while one proxy takes the place of the other.
func (l *launch) readyListener() error {
	var err error
	if old := l.run.Load(); old != nil && old.port == l.args.port {
		l.config.Listener, err = old.proxy.Share()
	} else {
		l.config.Listener, err = l.place.Listen(l.args.port)
	}
	if err != nil {
		return notListening("listen.port", "port", l.args.port, err)
	}
	l.undo = append(l.undo, func() { l.config.Listener.Close() })
	return nil
}

// readyPage prepares the page.
func (l *launch) readyPage(ctx context.Context) error {
	serve, undo, err := l.web.ready(ctx, l.args.webUI)
	if err != nil {
		return err
	}
	l.page = serve
	l.undo = append(l.undo, undo)
	return nil
}

// readyMode loads the endpoints, or opens the recording, that the mode needs.
func (l *launch) readyMode() error {
	r, err := l.next, error(nil)
	switch r.mode {
	case modeMock:
		undo, err := l.endpoints.Renew()
		if err != nil {
			return noMockMode(err)
		}
		l.undo = append(l.undo, undo)
		l.config.Isolated = l.cfg.Unmatched == Reject
	case modeReplay:
		r.replayFile, _ = l.recordings.file(l.args.replayFile)
		if r.replay, err = l.cfg.Replay.open(r.replayFile, l.clock.Now); err != nil {
			return notStarted(err)
		}
		l.undo = append(l.undo, func() { r.replay.Close() })
		l.config.Isolated = l.cfg.Replay.isolated()
	case modeRecord:
		if r.recorder, err = flow.Record(l.cfg.Directories.Flows, time.Now(), l.log); err != nil {
			return notStarted(err)
		}
		r.recorder.Fingerprint = l.fingerprints.of
		r.release = l.journal.Hold()
		l.undo = append(l.undo, func() {
			r.release()
			r.recorder.Close()
			os.Remove(r.recorder.Path())
		})
		l.config.Recorder = r.recorder
	}
	return nil
}

// begin serves what is ready; nothing is served any more by then. It returns when
// the files of the CA are there, too.
func (l *launch) begin(ctx context.Context) error {
	r := l.next
	r.proxy = proxy.New(l.config)
	l.faultPlans.Restart()
	l.network.Restart()
	l.holds.Run()
	if err := r.proxy.Start(); err != nil {
		l.back()
		return fmt.Errorf("the proxy did not start: %w", err)
	}
	l.page()
	if port := l.args.port; port != 0 {
		l.port = port // of later starts too, as callers of the stock driver expect
		l.place.Settle(port)
	}
	r.port = r.proxy.Addr().(*net.TCPAddr).Port
	r.address = net.JoinHostPort(l.cfg.Listen.Host, strconv.Itoa(r.port))
	l.run.Store(r)
	l.changed.Notify()
	l.timeline.note(momentMode, "started in mode "+r.mode+" at "+r.address)
	l.makeDirectories()
	l.log.Info("proxy started", "mode", r.mode, "address", r.address)
	l.logWarnings(ctx)
	return nil
}

// logWarnings logs what is not as it should be with the proxy that has started.
func (l *launch) logWarnings(ctx context.Context) {
	if l.next.replay != nil {
		for _, w := range l.next.replay.Warnings() {
			l.log.Warn("not replayed", "why", w)
		}
	}
	if !l.authority.ready(ctx) {
		l.log.Warn("the CA is still being made", "directory", l.authority.dir)
	}
	if text := l.authority.Problem(); text != "" {
		l.log.Warn("devices may refuse our certificates", "why", text, "directory", l.authority.dir)
	}
}

// makeDirectories makes the directories that people put files into.
func (l *launch) makeDirectories() {
	for _, dir := range []string{l.cfg.Directories.Flows, l.cfg.Directories.Mocks, l.cfg.Directories.Files} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			l.log.Warn("directory not made", "error", err)
		}
	}
}
