package cli

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"starproxy/driver"
	"starproxy/driver/exporter/metrics"
)

// observeFlags say how a server tells of itself.
type observeFlags struct {
	Quiet   bool      `short:"q" help:"Do not tell of each request."`
	Metrics *hostPort `placeholder:"[HOST:]PORT" help:"Serve Prometheus metrics at /metrics, and /healthz and /readyz (default host: 127.0.0.1; there is no password)."`
}

// observed is a server that is observed.
type observed struct {
	sys *System
	log logHandler
	// format has the requests told as records of the log; empty for lines on
	// standard output where that is a terminal.
	format string
	// shared keeps devices away from the listener of the metrics.
	shared *driver.Shared
	// health returns what is wrong with the process, nil for nothing.
	health func(context.Context) error
}

// observation reports about a server to people, to Prometheus and to the service
// manager, from its start to its end. Sessions come and go meanwhile. Its
// methods are for one goroutine, but for tell and controller.
type observation struct {
	observed
	notifier notifier
	quiet    bool

	metrics *metrics.Metrics // nil for none
	server  *metrics.Server
	forget  func()

	ctx  context.Context // done at the end
	end  context.CancelFunc
	all  sync.WaitGroup
	stop func() // ends following the session; nil for none
}

// observe begins to tell of a server that is starting: metrics are served.
func (f *observeFlags) observe(ctx context.Context, o observed) (*observation, error) {
	w := &observation{observed: o, notifier: newNotifier(o.sys.Getenv, os.Getpid()), quiet: f.Quiet}
	w.ctx, w.end = context.WithCancel(ctx)
	if f.Metrics == nil {
		return w, nil
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(f.Metrics.or("127.0.0.1"), strconv.Itoa(f.Metrics.port)))
	if err != nil {
		w.end()
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	w.forget = o.shared.Listening(ln.Addr())
	w.metrics = metrics.New(metrics.Options{Version: version(), Commit: commit(), Log: slog.New(o.log)})
	w.server = w.metrics.Serve(ln, o.health)
	w.sys.out("metrics: http://%s/metrics", ln.Addr())
	return w, nil
}

// controller returns where the controller mode tells Prometheus how it is; nil
// without metrics.
func (w *observation) controller() *metrics.Controller {
	if w.metrics == nil {
		return nil
	}
	return w.metrics.Controller()
}

// attach begins to tell of the proxies of a session, by the dotted paths of
// their exports.
func (w *observation) attach(proxies map[string]proxy) {
	if w.metrics != nil {
		callers := make(map[string]metrics.Caller, len(proxies))
		for export, p := range proxies {
			callers[export] = p
		}
		w.metrics.SetProxies(callers)
	}
	l := w.requestLog(slices.Collect(maps.Keys(proxies)))
	if l == nil {
		return
	}
	ctx, cancel := context.WithCancel(w.ctx)
	w.stop = cancel
	for export, p := range proxies {
		w.all.Go(func() { l.follow(ctx, export, p) })
	}
}

// detach ends telling of a session, which is not closed yet.
func (w *observation) detach() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
	if w.metrics != nil {
		w.metrics.SetProxies(nil)
	}
}

// requestLog returns how requests are told of, nil for not at all.
func (w *observation) requestLog(exports []string) *requestLog {
	switch {
	case w.quiet:
	case w.format != "":
		return &requestLog{sink: requestRecords{w.log.all()}, budget: budget{rate: logRate}}
	case terminal(w.sys.Stdout):
		lines := requestLines{sys: w.sys}
		if len(exports) > 1 {
			lines.exports = min(len(slices.MaxFunc(exports, func(a, b string) int { return len(a) - len(b) })), 20)
		}
		return &requestLog{sink: lines, budget: budget{rate: terminalRate}}
	}
	return nil
}

// ready reports that the server has started, and from then on that it lives.
func (w *observation) ready(status string) {
	if w.server != nil {
		w.server.SetReady(true)
	}
	w.tell("READY=1", "STATUS="+status)
	w.all.Go(func() {
		w.notifier.watchdog(w.ctx, w.health, func(err error) {
			slog.New(w.log).Error("the service manager is not told that the process is well", "error", err)
		})
	})
}

// stopping reports that the server is about to end.
func (w *observation) stopping() {
	if w.server != nil {
		w.server.SetReady(false)
	}
	w.tell("STOPPING=1", "STATUS=Stopping")
}

// tell sends a message to the service manager; STATUS is one line.
func (w *observation) tell(assignments ...string) {
	if err := w.notifier.send(assignments...); err != nil {
		slog.New(w.log).Warn("not told", "error", err)
	}
}

// endTime bounds how long the end waits for a terminal that takes no more.
const endTime = 500 * time.Millisecond

// Close ends all telling.
func (w *observation) Close() {
	w.end()
	if w.server != nil {
		w.server.Close()
		w.forget()
	}
	gone := make(chan struct{})
	go func() {
		w.all.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(endTime):
	}
}
