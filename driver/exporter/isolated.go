package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starproxy/builtins/follow"
	"starproxy/driver"
	"starproxy/driver/client"
	"starproxy/driver/exporter/part"
)

// Isolation has the proxies of a session run in a process of their own, so that
// one that dies takes nothing else with it.
type Isolation struct {
	// Command makes the command of the process: this program, told to call
	// HostProxies.
	Command func() *exec.Cmd
	// Memory bounds what the process may use, in bytes; 0 means 4 GiB.
	Memory uint64
}

// defaultMemory is room for what scripts may hold by default, several times.
const defaultMemory = 4 << 30

// proxiesSession is the session that the process of the proxies serves.
type proxiesSession struct {
	Proxies []isolatedProxy `json:"proxies"`
	Known   driver.Known    `json:"known"`
	Lease   *driver.Lease   `json:"lease"`
	Crashes driver.Crashes  `json:"crashes"`
	// Level is the least severity that is logged.
	Level slog.Level `json:"level"`
	// Memory is the bound of the process, in bytes.
	Memory uint64 `json:"memory"`
}

// isolatedProxy is a proxy with its name in the report and in the log.
type isolatedProxy struct {
	Path   string        `json:"path"`
	UUID   uuid.UUID     `json:"uuid"`
	Config driver.Config `json:"config"`
}

// isolated is the process of the proxies of one session. It is started again
// whenever it dies.
type isolated struct {
	session *Session
	part    *part.Part
	spec    proxiesSession
	unknown func()        // ends the news of what this process knows
	done    chan struct{} // closed when nothing starts it again any more

	noting    sync.Mutex // held while a status is asked for
	informing sync.Mutex // held while the process is told what is known, so that the newest is told last

	mu     sync.Mutex
	now    *remote       // nil while there is none
	back   follow.Signal // that there is one again
	reason error         // why the last one has died
	runs   map[string]run
}

// run is how a proxy was running at its last report.
type run struct {
	Running bool    `json:"running"`
	Mode    string  `json:"mode"`
	Address *string `json:"proxy_address"`
	WebUI   bool    `json:"web_ui_enabled"`
	Replay  *struct {
		File string `json:"file"`
	} `json:"replay"`
}

const (
	// restartWait is how long a call waits for a process that is started again.
	restartWait = 2 * time.Second
	// quickDeath is within which time a death counts as one after the other, and
	// maxPause the longest pause before such a process is started again.
	quickDeath = 10 * time.Second
	maxPause   = 10 * time.Second
)

// isolate opens the proxies of s in a process of their own.
func (s *Session) isolate(o Options) (*isolated, error) {
	i := &isolated{session: s, runs: map[string]run{}, done: make(chan struct{})}
	i.spec = proxiesSession{Lease: o.Lease, Memory: o.Isolate.Memory}
	if i.spec.Memory == 0 {
		i.spec.Memory = defaultMemory
	}
	i.spec.Level = slog.LevelInfo
	if s.next.Enabled(context.Background(), slog.LevelDebug) {
		i.spec.Level = slog.LevelDebug
	}
	for _, path := range s.Proxies() {
		n := s.at(path)
		i.spec.Proxies = append(i.spec.Proxies, isolatedProxy{path, s.ids[n], *n.Driver})
	}
	i.part = part.New(part.Program{
		Name: "the process of the proxies", Log: s.log, Limit: i.spec.Memory, Record: s.relayRecord,
		Command: func() (*exec.Cmd, error) { return o.Isolate.Command(), nil },
	})
	i.unknown = s.shared.Follow(func() { go i.inform() })
	if err := i.start(s.closing); err != nil {
		i.unknown()
		i.part.Close()
		return nil, err
	}
	go i.supervise()
	return i, nil
}

// start starts the process and lets calls reach it.
func (i *isolated) start(ctx context.Context) error {
	i.spec.Known = i.session.shared.Known()
	r, err := openRemote(ctx, i.part, i.spec, i.session.log)
	if err != nil {
		return err
	}
	if r.calls, err = dialCalls(ctx, r.session.Socket); err != nil {
		return errors.Join(err, r.close())
	}
	i.resume(ctx, r)
	i.mu.Lock()
	i.now = r
	i.back.Notify()
	i.mu.Unlock()
	i.inform() // of what is new since it began to start
	return nil
}

// resume starts the proxies as they were running, and follows what they do.
func (i *isolated) resume(ctx context.Context, r *remote) {
	for _, p := range i.spec.Proxies {
		n, err := r.client.Find(p.Path)
		if err != nil {
			continue // it has what it was told to have
		}
		i.mu.Lock()
		was := i.runs[p.Path]
		i.mu.Unlock()
		if was.Running {
			i.again(ctx, n, was)
		}
		go func() { // what the page does, no call tells
			for range n.Stream(ctx, "watch_status") {
				i.note(ctx, n, p.Path)
			}
		}()
	}
}

// called notes at once how a proxy runs after a call that may have changed that.
func (i *isolated) called(ctx context.Context, r *remote, path, method string) {
	switch method {
	case "start", "stop", "restart":
		if n, err := r.client.Find(path); err == nil {
			i.note(ctx, n, path)
		}
	}
}

// note asks a proxy how it runs, and keeps the answer. News are only a reason to
// ask: they may be older than what a call has changed.
func (i *isolated) note(ctx context.Context, n *client.Node, path string) {
	i.noting.Lock()
	defer i.noting.Unlock()
	status, err := n.Call(ctx, "status")
	if err != nil {
		return // the process has died, or the next news will do
	}
	var now run
	if text, ok := status.(string); ok && json.Unmarshal([]byte(text), &now) == nil {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.runs[path] = now
	}
}

// again starts a proxy as it was running.
func (i *isolated) again(ctx context.Context, n *client.Node, was run) {
	text, err := n.Call(ctx, "start", was.Mode, was.WebUI, was.replayFile(), was.port())
	if err != nil {
		i.session.log.Error("proxy not started again", "export", n.Name, "error", err)
		return
	}
	i.session.log.Warn("proxy started again", "export", n.Name, "result", text)
}

func (r *run) replayFile() string {
	if r.Replay == nil {
		return ""
	}
	return r.Replay.File
}

// port returns where devices reach the proxy.
func (r *run) port() int {
	if r.Address == nil {
		return 0
	}
	_, port, err := net.SplitHostPort(*r.Address)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(port) // 0 means the configured one
	return n
}

// supervise starts the process again until the session closes.
func (i *isolated) supervise() {
	defer close(i.done)
	ctx := i.session.closing
	pause := time.Duration(0)
	for {
		i.mu.Lock()
		r, begun := i.now, time.Now()
		i.mu.Unlock()
		select {
		case <-r.session.Dead():
		case <-ctx.Done():
			return
		}
		r.client.Close()
		r.calls.close()
		if time.Since(begun) > quickDeath {
			pause = 0
		}
		for err := r.session.Reason(); err != nil; err = i.start(ctx) {
			if ctx.Err() != nil {
				return
			}
			i.died(err, pause)
			if !sleep(ctx, pause) {
				return
			}
			pause = min(max(2*pause, 50*time.Millisecond), maxPause)
		}
	}
}

// died notes that there is no process, and why.
func (i *isolated) died(why error, pause time.Duration) {
	i.mu.Lock()
	i.now, i.reason = nil, why
	i.mu.Unlock()
	i.spec.Crashes.Count++
	i.spec.Crashes.Last = oneLine(why.Error())
	when := "at once"
	if pause > 0 {
		when = "in " + pause.String()
	}
	i.session.log.Error(i.spec.Crashes.Last+"; it is started again "+when+", as configured", "times", i.spec.Crashes.Count)
}

// sleep waits, and reports whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// inform sends the process the knowledge that this one shares.
func (i *isolated) inform() {
	i.informing.Lock()
	defer i.informing.Unlock()
	i.mu.Lock()
	r := i.now
	i.mu.Unlock()
	if r == nil {
		return // the next one is told when it has started
	}
	if err := r.session.Tell(context.Background(), "know", i.session.shared.Known()); err != nil && r.session.Reason() == nil {
		i.session.log.Warn("the process of the proxies does not know all listeners", "error", err)
	}
}

// link returns the process that runs now. It waits for one that is started
// again.
func (i *isolated) link(ctx context.Context) (*remote, error) {
	i.mu.Lock()
	r, back, reason := i.now, i.back.Changed(), i.reason
	i.mu.Unlock()
	if r != nil {
		return r, nil
	}
	late := time.NewTimer(restartWait)
	defer late.Stop()
	select {
	case <-back:
		return i.link(ctx)
	case <-late.C:
		return nil, status.Errorf(codes.Unavailable, "%s; it is being started again", oneLine(reason.Error()))
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// close ends the process, when the session is closing; the proxies stop.
func (i *isolated) close() error {
	i.unknown()
	<-i.done
	i.mu.Lock()
	r := i.now
	i.mu.Unlock()
	var err error
	if r != nil {
		err = r.close()
	}
	i.part.Close()
	return err
}

// at returns the node at a dotted path of the report, refs resolved; nil for
// none.
func (s *Session) at(path string) *Node {
	for _, it := range s.items {
		if it.path == path {
			return it.node
		}
	}
	return nil
}

// Interface guard.
var _ links = (*isolated)(nil)
