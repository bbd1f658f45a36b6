package driver

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/builtins/follow"
	"starproxy/builtins/state"
	"starproxy/driver/capture"
	"starproxy/driver/endpoints"
	"starproxy/driver/faultplan"
	"starproxy/driver/flow"
	"starproxy/driver/handshake"
	"starproxy/driver/hold"
	"starproxy/driver/mock"
	"starproxy/driver/network"
	"starproxy/driver/proxy"
	"starproxy/driver/rpc"
	"starproxy/driver/tlsfault"
	"starproxy/driver/web"
)

// The modes of a proxy. Each has its own handler of requests, see
// [lifecycle.handler].
const (
	modeMock        = "mock"
	modePassthrough = "passthrough"
	modeRecord      = "record"
	modeReplay      = "replay"
	modeStopped     = "stopped"
)

// lifecycle starts and stops the proxy.
type lifecycle struct {
	cfg        *Config
	log        *slog.Logger
	shared     *Shared
	place      *proxy.Member // this proxy among those that share an address
	authority  *authority
	journal    *capture.Journal
	sockets    *capture.Sockets
	counters   *proxy.Counters
	endpoints  *endpoints.Service
	state      *state.Store
	clock      *clock.Clock
	recordings *recordings
	web        *webUI
	handshakes *handshake.Log
	tlsFaults  *tlsfault.Table
	sightings  *proxy.Sightings
	// fingerprints are those of handshakes, for recordings.
	fingerprints *fingerprints
	faultPlans   *faultplan.Table
	network      *network.Table
	holds        *hold.Table
	timeline     *timeline
	contracts    *contracts

	run     atomic.Pointer[running] // nil when stopped
	changed follow.Notice           // announces each change of run
	mu      sync.Mutex              // held while starting, stopping and closing
	port    int                     // the configured port; mu guards it
	closed  bool                    // mu guards it
}

// rows returns the rows of the method table that start and stop the proxy.
func (l *lifecycle) rows() []rpc.Row {
	how := func(mode string) []rpc.Param {
		return []rpc.Param{rpc.With("mode", mode), rpc.With("web_ui", false), rpc.With("replay_file", ""), rpc.With("port", 0)}
	}
	return []rpc.Row{
		rpc.New("start", "Start the proxy in mode mock, passthrough, record or replay; port 0 takes the configured one, "+
			"-1 any free one.", l.start,
			how(modeMock)...),
		rpc.New("stop", "Stop the proxy; mocks, state and captures stay.", l.stop),
		rpc.New("restart", "Stop and start again; an empty mode keeps the present one.", l.restart, how("")...),
		rpc.New("is_running", "Tell whether the proxy runs.", l.isRunning),
	}
}

// running is a started proxy.
type running struct {
	mode    string
	proxy   *proxy.Proxy
	address string // the configured host with the port that is really used
	port    int
	// upstream is the mode that names another proxy for the way out, if there is one
	// without a listener of its own.
	upstream string

	recorder   *flow.Recorder // nil unless mode is record
	release    func()         // lets the journal drop bodies again; nil without a recorder
	replay     *flow.Replay   // nil unless mode is replay
	replayFile string
}

// startArgs are the arguments of start and restart.
type startArgs struct {
	mode       string
	webUI      bool
	replayFile string
	port       int // 0 for the configured one, anyPort for any free one
}

// anyPort asks for any free port, since 0 is the configured one for callers of the stock driver.
const anyPort = -1

func (l *lifecycle) start(ctx context.Context, mode string, webUI bool, replayFile string, port int) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.run.Load(); r != nil {
		return "", alreadyRunning(r.mode)
	}
	return l.launch(ctx, startArgs{mode, webUI, replayFile, port})
}

func (l *lifecycle) restart(ctx context.Context, mode string, webUI bool, replayFile string, port int) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	args := startArgs{mode, webUI, replayFile, port}
	if r := l.run.Load(); r != nil {
		args.mode = cmp.Or(mode, r.mode)
		if args.mode == modeReplay {
			args.replayFile = cmp.Or(replayFile, r.replayFile)
		}
		args.port = cmp.Or(port, r.port) // keep the port for the devices, even if port 0 (any free one) is configured
	}
	args.mode = cmp.Or(args.mode, modeMock)
	return l.launch(ctx, args)
}

// check returns an error for arguments with which the proxy cannot start. It
// changes nothing.
func (l *lifecycle) check(args startArgs) error {
	if l.closed {
		return errDriverClosed
	}
	if !slices.Contains([]string{modeMock, modePassthrough, modeRecord, modeReplay}, args.mode) {
		return unknownMode(args.mode)
	}
	if args.port < anyPort || args.port > 65535 {
		return rpc.Refuse(rpc.InvalidArgument, "start: argument port: got %d, want 0 to 65535, or -1 for a free one", args.port)
	}
	if args.mode != modeReplay {
		return nil
	}
	if args.replayFile == "" {
		return needsReplayFile()
	}
	if path, ok := l.recordings.file(args.replayFile); !ok {
		return noReplayFile(path)
	}
	return nil
}

// launch starts the proxy. A running proxy is stopped for it. When launch fails,
// everything stays as it was. The caller holds mu.
func (l *lifecycle) launch(ctx context.Context, args startArgs) (string, error) {
	if err := l.check(args); err != nil {
		return "", err
	}
	if args.port = cmp.Or(args.port, l.port); args.port == anyPort {
		args.port = 0
	}
	next := &launch{lifecycle: l, args: args, next: &running{mode: args.mode}}
	if err := next.ready(ctx); err != nil {
		next.back()
		return "", err
	}
	if old := l.run.Load(); old != nil {
		if err := l.shut(ctx, old); err != nil {
			l.log.Warn("the proxy stopped with an error", "error", err)
		}
	}
	if err := next.begin(ctx); err != nil {
		return "", err
	}
	return startedText(next.next, l.web.url()), nil
}

// handler returns the handler that answers requests in the mode of r.
func (l *lifecycle) handler(r *running) exchange.Handler {
	end := exchange.Handler(mock.Forward)
	switch r.mode {
	case modeReplay:
		end = r.replay
	case modeMock:
		end = mock.ForwardUnanswered(l.endpoints.Table())
		if l.cfg.Unmatched == Reject {
			end = mock.Reject(l.endpoints.Table())
		}
		end = newUnmatched(l.log, end)
		end = l.endpoints.Handler(end)
	}
	return l.holds.Handler(l.faultPlans.Handler(l.contracts.table.Handler(&unconditionalHandler{l.state, end})))
}

func (l *lifecycle) stop(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.run.Load()
	if r == nil {
		return "", notRunning()
	}
	if err := l.shut(ctx, r); err != nil {
		l.log.Warn("the proxy stopped with an error", "error", err)
	}
	if !web.Calls(ctx) {
		l.web.close()
	}
	return stoppedText(r), nil
}

// close stops the proxy, if it runs, so that it cannot be started again. first is
// true on the first call. Later calls do nothing.
func (l *lifecycle) close() (first bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false, nil
	}
	l.closed = true
	if r := l.run.Load(); r != nil {
		l.log.Info("stopping the proxy at the end of the session", "mode", r.mode, "address", r.address)
		err = l.shut(context.Background(), r)
	}
	l.place.Leave()
	l.web.close()
	return true, err
}

// shut stops the running proxy r. The caller holds mu.
func (l *lifecycle) shut(ctx context.Context, r *running) error {
	l.run.Store(nil)
	l.changed.Notify()
	l.timeline.note(momentMode, "stopped in mode "+r.mode)
	l.holds.Stop()
	err := r.proxy.Close(ctx)
	l.contracts.drain()
	l.endpoints.Script.Cancel()
	if r.recorder != nil {
		r.release()
		err = errors.Join(err, r.recorder.Close())
	}
	if r.replay != nil {
		err = errors.Join(err, r.replay.Close())
	}
	return err
}

func (l *lifecycle) isRunning(context.Context) (bool, error) { return l.run.Load() != nil, nil }

// mocking reports whether mocks answer requests, or would if the proxy ran.
func (l *lifecycle) mocking() bool {
	r := l.run.Load()
	return r == nil || r.mode == modeMock
}

// ownAddress returns the host:port at which this machine reaches the proxy.
func (l *lifecycle) ownAddress() (address string, running bool) {
	r := l.run.Load()
	if r == nil {
		return "", false
	}
	host := l.cfg.Listen.Host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(r.port)), true
}

// mode returns the mode of the proxy, or modeStopped when it does not run.
func (l *lifecycle) mode() string {
	if r := l.run.Load(); r != nil {
		return r.mode
	}
	return modeStopped
}

// maySend returns nil if webhooks may be sent now, else an error with the reason.
func (l *lifecycle) maySend() error {
	mode, send := l.mode(), l.cfg.Webhooks.Send
	switch {
	case mode == modeStopped:
		return errors.New("not sent: the proxy does not run")
	case send == SendNever:
		return errors.New("not sent: webhooks.send is never")
	case send == SendAlways:
		return nil
	case mode == modeReplay:
		return errors.New("not sent in replay mode: webhooks.send is not always")
	case mode == modeMock && l.cfg.Unmatched == Reject:
		return errors.New("not sent with unmatched: reject: webhooks.send is not always")
	}
	return nil
}
