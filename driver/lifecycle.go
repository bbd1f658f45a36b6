package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"

	"starproxy/builtins/exchange"
	"starproxy/builtins/state"
	"starproxy/driver/flow"
	"starproxy/driver/mock"
	"starproxy/driver/proxy"
	"starproxy/driver/rpc"
)

// The modes of a running proxy: which table answers, and what stands at its end.
const (
	modeMock        = "mock"
	modePassthrough = "passthrough"
	modeRecord      = "record"
	modeReplay      = "replay"
	modeStopped     = "stopped"
)

// running is a started proxy.
type running struct {
	mode    string
	proxy   *proxy.Proxy
	address string // as the configuration names the host, with the real port
	port    int

	recorder   *flow.Recorder // nil unless it records
	release    func()         // ends the hold on bodies, with a recorder
	replay     *flow.Replay   // nil unless it replays
	replayFile string
}

func (d *Driver) start(ctx context.Context, mode string, webUI bool, replayFile string, port int) (string, error) {
	d.life.Lock()
	defer d.life.Unlock()
	if r := d.run.Load(); r != nil {
		return "", stock(rpc.FailedPrecondition, "", "Already running in '%s' mode (PID %d). Stop first.", r.mode, os.Getpid())
	}
	if err := d.refuse(mode, replayFile, port); err != nil {
		return "", err
	}
	return d.launch(ctx, mode, webUI, replayFile, port)
}

func (d *Driver) restart(ctx context.Context, mode string, webUI bool, replayFile string, port int) (string, error) {
	d.life.Lock()
	defer d.life.Unlock()
	r := d.run.Load()
	if mode == "" {
		mode = modeMock
		if r != nil {
			mode = r.mode
		}
	}
	if r != nil && replayFile == "" && mode == modeReplay {
		replayFile = r.replayFile
	}
	// A restart that cannot be leaves the proxy as it is.
	if err := d.refuse(mode, replayFile, port); err != nil {
		return "", err
	}
	if r != nil && port == 0 {
		port = r.port // the device goes on where it was, whichever port was free
	}
	return d.launch(ctx, mode, webUI, replayFile, port)
}

// refuse answers a start that cannot be.
func (d *Driver) refuse(mode, replayFile string, port int) error {
	if d.closed {
		return rpc.Refuse(rpc.FailedPrecondition, "the driver is closed")
	}
	if !slices.Contains([]string{modeMock, modePassthrough, modeRecord, modeReplay}, mode) {
		return stock(rpc.InvalidArgument, "mode", "Unknown mode '%s'. Use: mock, passthrough, record, replay", mode)
	}
	if port < 0 || port > 65535 {
		return rpc.Refuse(rpc.InvalidArgument, "start: argument port: expected 0 to 65535, found %d", port)
	}
	if mode == modeReplay {
		if replayFile == "" {
			return marked(stock(rpc.InvalidArgument, "replay_file", "replay_file is required for replay mode"))
		}
		if path, ok := d.recordings.file(replayFile); !ok {
			return stock(rpc.NotFound, "replay_file", "Replay file not found: %s", path)
		}
	}
	return nil
}

// handler is a mode: the table that is asked, and what stands at its end.
func (d *Driver) handler(r *running) exchange.Handler {
	end := exchange.Handler(mock.Forward)
	switch r.mode {
	case modeReplay:
		end = r.replay
	case modeMock:
		end = mock.ForwardUnanswered(d.endpoints.Table())
		if d.cfg.Unmatched == Reject {
			end = mock.Reject(d.endpoints.Table())
		}
		end = newUnmatched(d.log, end)
		end = d.endpoints.Handler(end)
	}
	return &unconditional{d.state, end}
}

func (d *Driver) stop(ctx context.Context) (string, error) {
	d.life.Lock()
	defer d.life.Unlock()
	r := d.run.Load()
	if r == nil {
		return "", stock(rpc.FailedPrecondition, "", "Not running")
	}
	if err := d.shut(ctx, r); err != nil {
		d.log.Warn("the proxy stopped with an error", "error", err)
	}
	if !fromWeb(ctx) {
		d.web.close()
	}
	text := fmt.Sprintf("Stopped (was '%s' mode, PID %d)", r.mode, os.Getpid())
	if r.recorder != nil {
		if lost := r.recorder.Stats().Lost; lost > 0 {
			text += fmt.Sprintf(" | Not recorded, or not whole: %d", lost)
		}
		text += " | Flow saved to: " + r.recorder.Path()
	}
	return text, nil
}

// shut ends a running proxy; the caller holds life.
func (d *Driver) shut(ctx context.Context, r *running) error {
	d.run.Store(nil)
	d.changed.Notify()
	err := r.proxy.Close(ctx)
	d.endpoints.Script.Cancel()
	if r.recorder != nil {
		r.release()
		err = errors.Join(err, r.recorder.Close())
	}
	if r.replay != nil {
		err = errors.Join(err, r.replay.Close())
	}
	return err
}

// exists tells whether there is a file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (d *Driver) isRunning(context.Context) (bool, error) { return d.run.Load() != nil, nil }

// mocking reports whether mocks answer requests, or would if the proxy ran.
func (d *Driver) mocking() bool {
	r := d.run.Load()
	return r == nil || r.mode == modeMock
}

// ownAddress returns where the proxy is reached from this machine.
func (d *Driver) ownAddress() (address string, running bool) {
	r := d.run.Load()
	if r == nil {
		return "", false
	}
	host := d.cfg.Listen.Host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(r.port)), true
}

// statusReport is the JSON of status; the stock driver's keys come first.
type statusReport struct {
	Running      bool    `json:"running"`
	Mode         string  `json:"mode"`
	PID          *int    `json:"pid"`
	ProxyAddress *string `json:"proxy_address"`
	WebUIEnabled bool    `json:"web_ui_enabled"`
	WebUIAddress *string `json:"web_ui_address"`
	MockCount    int     `json:"mock_count"`
	FlowFile     *string `json:"flow_file"`

	// Unmatched is the configured behaviour: passthrough or reject.
	Unmatched string `json:"unmatched"`
	// Scenario is the file that the endpoints were loaded from.
	Scenario *string `json:"scenario"`
	// ScenarioError says why the file on disk is not in force.
	ScenarioError *string `json:"scenario_error"`
	// ScenarioStates are the states of the named scenarios, by name.
	ScenarioStates map[string]string `json:"scenario_states"`
	// Webhooks tells how the requests that follow answers go.
	Webhooks webhookStatus `json:"webhooks"`
	// AddonErrors says, by name, why addons as they are on disk are not in force.
	AddonErrors map[string]string `json:"addon_errors"`
	// Recording tells how record mode goes.
	Recording *flow.RecorderStats `json:"recording"`
	// Replay tells what replay mode answers from.
	Replay *replayReport `json:"replay"`
	// CAProblem says why devices may refuse our certificates: the CA has
	// expired, is not valid yet, or can't be read.
	CAProblem *string `json:"ca_problem"`
	// Lease tells for whom the exporter serves; null without a controller.
	Lease *Lease `json:"lease"`
	// Crashes tells how often the process of the proxies has died during the
	// session; null where they have none of their own.
	Crashes *Crashes `json:"crashes"`
	// Captures tells how much the journal holds and has dropped.
	Captures any `json:"captures"`
}

// replayReport is the part of status about a recording that answers.
type replayReport struct {
	File     string   `json:"file"`
	Answers  int      `json:"answers"`
	Warnings []string `json:"warnings"`
}

func (d *Driver) status(context.Context) (*statusReport, error) { return d.report(), nil }

func (d *Driver) report() *statusReport {
	s := &statusReport{Mode: modeStopped, MockCount: d.endpoints.Table().Len(), Unmatched: string(d.cfg.Unmatched), Lease: d.lease, Crashes: d.crashes, Captures: d.journal.Stats()}
	if r := d.run.Load(); r != nil {
		pid := os.Getpid()
		s.Running, s.Mode, s.PID, s.ProxyAddress = true, r.mode, &pid, &r.address
		if r.recorder != nil {
			stats, path := r.recorder.Stats(), r.recorder.Path()
			s.FlowFile, s.Recording = &path, &stats
		}
		if r.replay != nil {
			s.Replay = &replayReport{r.replayFile, r.replay.Len(), append([]string{}, r.replay.Warnings()...)}
		}
	}
	if link := d.web.url(); link != "" {
		s.WebUIEnabled, s.WebUIAddress = true, &link
	}
	if o, ok := d.endpoints.Origin(); ok {
		if s.Scenario = &o.Path; o.Fault != "" {
			s.ScenarioError = &o.Fault
		}
	}
	s.ScenarioStates = map[string]string{}
	for name, now := range d.states.scenarios() {
		s.ScenarioStates[name] = now.State
	}
	s.Webhooks = d.webhooks.status()
	s.Webhooks.Pending = d.endpoints.Script.Pending()
	s.AddonErrors = d.endpoints.AddonFaults()
	if text := d.authority.Problem(); text != "" {
		s.CAProblem = &text
	}
	return s
}

// unconditional drops the headers that ask for an answer only if something
// changed, as long as the state's strip_conditional_headers is true: a test
// then sees whole answers.
type unconditional struct {
	state *state.Store
	next  exchange.Handler
}

func (u *unconditional) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	if on, ok := u.state.Get("strip_conditional_headers"); ok && truthy(on) {
		q := x.Request
		q.Header = q.Header.Clone() // others may hold it
		for _, name := range []string{"If-Modified-Since", "If-None-Match", "If-Range"} {
			q.Header.Del(name)
		}
	}
	return u.next.Respond(ctx, x)
}

// truthy is Python's notion of true, which tests that set the key go by.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case float64:
		return v != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// Interface guards.
var _ exchange.Handler = (*unconditional)(nil)
