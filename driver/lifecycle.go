package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"starproxy/builtins/exchange"
	"starproxy/builtins/state"
	"starproxy/driver/mock"
	"starproxy/driver/proxy"
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
}

func (d *Driver) start(ctx context.Context, mode string, webUI bool, replayFile string, port int) (string, error) {
	d.life.Lock()
	defer d.life.Unlock()
	if r := d.run.Load(); r != nil {
		return fmt.Sprintf("Already running in '%s' mode (PID %d). Stop first.", r.mode, os.Getpid()), nil
	}
	if text, err := d.refuse(mode, webUI, replayFile, port); text != "" || err != nil {
		return text, err
	}
	return d.launch(mode, port)
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
	// A restart that cannot be leaves the proxy as it is.
	if text, err := d.refuse(mode, webUI, replayFile, port); text != "" || err != nil {
		return text, err
	}
	if r != nil {
		if port == 0 {
			port = r.port // the device goes on where it was, whichever port was free
		}
		if err := d.shut(ctx, r); err != nil {
			return "", err
		}
	}
	return d.launch(mode, port)
}

// refuse answers a start that cannot be.
func (d *Driver) refuse(mode string, webUI bool, replayFile string, port int) (string, error) {
	if d.closed {
		return "", errorf(FailedPrecondition, "the driver is closed")
	}
	if !slices.Contains([]string{modeMock, modePassthrough, modeRecord, modeReplay}, mode) {
		return fmt.Sprintf("Unknown mode '%s'. Use: mock, passthrough, record, replay", mode), nil
	}
	if port < 0 || port > 65535 {
		return "", errorf(InvalidArgument, "start: argument port: expected 0 to 65535, found %d", port)
	}
	switch mode {
	case modeReplay:
		if replayFile == "" {
			return "Error: replay_file is required for replay mode", nil
		}
		if !filepath.IsAbs(replayFile) {
			replayFile = filepath.Join(d.cfg.Directories.Flows, replayFile)
		}
		if _, err := os.Stat(replayFile); err != nil {
			return "Replay file not found: " + replayFile, nil
		}
		return "", errorf(Unimplemented, "replay mode is not part of this build yet")
	case modeRecord:
		return "", errorf(Unimplemented, "record mode is not part of this build yet")
	}
	if webUI {
		return "", errorf(Unimplemented, "the web UI is not part of this build yet")
	}
	return "", nil
}

// launch starts a proxy; when it fails everything is as it was.
func (d *Driver) launch(mode string, port int) (string, error) {
	if port == 0 {
		port = d.port
	}
	if err := d.authority.prepare(); err != nil {
		return "Failed to start: " + err.Error(), nil
	}
	undo := func() {}
	if mode == modeMock {
		var err error
		if undo, err = d.mocks.renew(); err != nil {
			return "Failed to initialize mock mode: " + err.Error(), nil
		}
	}
	p := proxy.New(proxy.Config{
		Addr:     net.JoinHostPort(d.cfg.Listen.Host, strconv.Itoa(port)),
		CA:       d.authority,
		Handler:  d.handler(mode),
		Journal:  d.journal,
		Insecure: d.cfg.SSLInsecure,
		Isolated: mode == modeMock && d.cfg.Unmatched == Reject,
		Log:      d.log,
	})
	if err := p.Start(); err != nil {
		undo()
		hint := ""
		if errors.Is(err, syscall.EADDRINUSE) {
			hint = fmt.Sprintf(" (port %d is already in use - is another mitmproxy instance running?)", port)
		}
		d.log.Error("the proxy did not start", "error", err)
		return fmt.Sprintf("Failed to start%s: %v", hint, err), nil
	}
	if port != 0 {
		d.port = port // holds for later starts too, as callers of the stock driver expect
	}
	r := &running{mode: mode, proxy: p}
	r.port = p.Addr().(*net.TCPAddr).Port
	r.address = net.JoinHostPort(d.cfg.Listen.Host, strconv.Itoa(r.port))
	d.run.Store(r)
	d.makeDirectories()
	d.log.Info("proxy started", "mode", mode, "address", r.address)
	return fmt.Sprintf("Started in '%s' mode on %s (PID %d)", mode, r.address, os.Getpid()), nil
}

// makeDirectories makes those that people put files into, where that is allowed.
func (d *Driver) makeDirectories() {
	for _, dir := range []string{d.cfg.Directories.Flows, d.cfg.Directories.Mocks, d.cfg.Directories.Files} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			d.log.Warn("directory not made", "error", err)
		}
	}
}

// handler is a mode: the table that is asked, and what stands at its end.
func (d *Driver) handler(mode string) exchange.Handler {
	end := exchange.Handler(mock.Forward)
	if mode == modeMock {
		if d.cfg.Unmatched == Reject {
			end = mock.Reject(d.mocks.table)
		}
		end = &hooked{mocks: d.mocks, next: d.mocks.table.Handler(end)}
	}
	return &unconditional{d.state, end}
}

func (d *Driver) stop(ctx context.Context) (string, error) {
	d.life.Lock()
	defer d.life.Unlock()
	r := d.run.Load()
	if r == nil {
		return "Not running", nil
	}
	if err := d.shut(ctx, r); err != nil {
		d.log.Warn("the proxy stopped with an error", "error", err)
	}
	return fmt.Sprintf("Stopped (was '%s' mode, PID %d)", r.mode, os.Getpid()), nil
}

// shut ends a running proxy; the caller holds life.
func (d *Driver) shut(ctx context.Context, r *running) error {
	d.run.Store(nil)
	return r.proxy.Close(ctx)
}

func (d *Driver) isRunning(context.Context) (bool, error) { return d.run.Load() != nil, nil }

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
	// AddonErrors says, by name, why addons as they are on disk are not in force.
	AddonErrors map[string]string `json:"addon_errors"`
	// Captures tells how much the journal holds and has dropped.
	Captures any `json:"captures"`
}

func (d *Driver) status(context.Context) (string, error) {
	s := statusReport{Mode: modeStopped, MockCount: d.mocks.table.Len(), Unmatched: string(d.cfg.Unmatched), Captures: d.journal.Stats()}
	if r := d.run.Load(); r != nil {
		pid := os.Getpid()
		s.Running, s.Mode, s.PID, s.ProxyAddress = true, r.mode, &pid, &r.address
	}
	s.Scenario, s.ScenarioError = d.mocks.origin()
	s.AddonErrors = d.mocks.addons.Faults()
	return toJSON(s)
}

func (d *Driver) connectWeb(context.Context) (net.Conn, error) {
	return nil, errorf(Unimplemented, "the web UI is not part of this build yet")
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
		for _, h := range []string{"If-Modified-Since", "If-None-Match", "If-Range"} {
			x.Request.Header.Del(h)
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
