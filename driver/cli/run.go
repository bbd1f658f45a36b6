package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"starproxy/driver/exporter"
	"starproxy/driver/rpc"
	"starproxy/driver/view"
)

type runCmd struct {
	exporterFlags
	listenFlags
	observeFlags
	Local      bool   `help:"Serve clients of this machine, although the exporter file has a controller."`
	Socket     string `type:"path" placeholder:"PATH" help:"Unix socket for clients (default: one in a private directory of its own; with a controller none)."`
	Start      string `enum:"mock,passthrough,record,replay," default:"" placeholder:"MODE" help:"Start every proxy in this mode at once: mock, passthrough, record, replay."`
	Scenario   string `type:"path" placeholder:"FILE|DIR" help:"Scenario to answer from, instead of the configured one."`
	ReplayFile string `name:"replay-file" placeholder:"FILE" help:"Recording to answer from, with --start replay."`

	ExitWithStdin bool `name:"exit-with-stdin" help:"End when standard input is closed, so that the exporter does not outlive the program that started it."`

	Listener   string `name:"tls-grpc-listener" placeholder:"[HOST:]PORT" help:"Accept clients over TCP too (default host: all addresses)."`
	Insecure   bool   `name:"tls-grpc-insecure" help:"Without TLS on that listener."`
	Cert       string `name:"tls-cert" type:"path" placeholder:"FILE" help:"PEM certificate of that listener."`
	Key        string `name:"tls-key" type:"path" placeholder:"FILE" help:"PEM key of that listener."`
	Passphrase string `placeholder:"TEXT" help:"What clients of that listener must present; better left to a file, for other users see it in the list of processes."`
	PassFile   string `name:"passphrase-file" type:"path" placeholder:"FILE" help:"The same, from a file of one line."`
}

// Help shows the use.
func (runCmd) Help() string {
	return `Without a configuration a proxy starts on 127.0.0.1:8080 and answers from a small scenario that can be edited while it runs; its data is kept in ~/.local/share/starproxy. With a configuration nothing is started until it is asked for, by "j EXPORT start" or --start.

With an exporter file that has an endpoint and a token it registers with that controller and serves leases; --start then starts the proxies of each lease. It goes on through every outage of the controller, takes up changes of the file, and ends with SIGINT or SIGTERM at once, with SIGHUP after the lease. --local and --tls-grpc-listener serve without the controller.

Otherwise it prints the line that makes j, pytest and the Python client find it, and runs until Ctrl+C.

The passphrase of the TCP listener is taken from --passphrase-file, --passphrase or the environment variable JMP_GRPC_PASSPHRASE, which clients read too. Whoever presents a wrong one is logged and slowed down.

Examples:

    starproxy run
    starproxy run --scenario ./happy-path.yaml --port 9090
    starproxy run --exporter-config exporter.yaml --start mock
    starproxy run --exporter bench1
    starproxy run --exporter bench1 --local
    starproxy run --exporter bench1 --tls-grpc-listener 1234 --tls-cert c.pem --tls-key k.pem`
}

// Validate finds flags that don't go together.
func (c *runCmd) Validate() error {
	switch {
	case c.Listener == "" && (c.Insecure || c.Cert != "" || c.Key != "" || c.Passphrase != "" || c.PassFile != ""):
		return fmt.Errorf("--tls-grpc-insecure, --tls-cert, --tls-key, --passphrase and --passphrase-file need --tls-grpc-listener")
	case c.Local && c.Listener != "":
		return fmt.Errorf("--local and --tls-grpc-listener exclude each other")
	case c.Passphrase != "" && c.PassFile != "":
		return fmt.Errorf("--passphrase and --passphrase-file exclude each other")
	case c.Listener != "" && c.Insecure == (c.Cert != "" || c.Key != ""):
		return fmt.Errorf("--tls-grpc-listener needs either --tls-grpc-insecure or --tls-cert and --tls-key")
	case c.Listener != "" && (c.Cert == "") != (c.Key == ""):
		return fmt.Errorf("--tls-cert and --tls-key belong together")
	case c.Start == "replay" && c.ReplayFile == "":
		return fmt.Errorf("--start replay needs --replay-file FILE: the path of a recording, or its name in the flows directory " +
			"(j EXPORT flow list shows those)")
	case c.Port != nil && (*c.Port < 0 || *c.Port > 65535):
		return fmt.Errorf("--port: got %d, want a port from 0 to 65535", *c.Port)
	}
	return nil
}

// Run serves until it is interrupted, or, without a controller, until nobody
// reads what it prints.
func (c *runCmd) Run(ctx context.Context, sys *System) error {
	config, builtIn, err := c.configure(sys, c.apply)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if c.ExitWithStdin {
		stdin := sys.Stdin // sys is another one below
		go func() {
			_, _ = io.Copy(io.Discard, stdin) // an error is an end too
			stop()
		}()
	}
	if !c.Local && c.Listener == "" && config.Endpoint != "" {
		if config.Token != "" {
			return c.serveLeases(ctx, sys.server(func() {}), config)
		}
		sys.note("%s: %s has an endpoint but no token: serving a local session", sys.Name, config.Path)
	}
	sys = sys.server(stop)
	b, err := c.openLocal(sys, config, builtIn)
	if err != nil {
		return err
	}
	defer b.end()
	if err := b.serve(ctx, c.Socket); err != nil {
		return unlessEnded(ctx, err)
	}
	w, err := c.observe(ctx, observed{sys: sys, log: b.log, format: c.LogFormat, shared: b.shared, health: b.client.Ping})
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer w.Close()
	if c.Listener != "" {
		return c.serveDirectly(ctx, sys, b, w)
	}
	noHooks(sys, config)
	if err := unlessEnded(ctx, c.begin(ctx, sys, b, w)); err != nil {
		return err
	}
	<-ctx.Done()
	sys.note("Stopping...")
	w.stopping()
	w.detach()
	return nil
}

// unlessEnded returns err, or nil when ctx has ended: a step that fails because the
// command is ending is no failure.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// begin starts the proxies of a local session that are to be started, and prints
// where they are.
func (c *runCmd) begin(ctx context.Context, sys *System, b *bench, w *observation) error {
	if err := c.ready(ctx, b); err != nil {
		return err
	}
	if err := b.greet(ctx, sys, nil, false); err != nil {
		return err
	}
	return b.tell(ctx, w)
}

// ready starts the proxies of a session that is served if a flag asks for it: the
// session of this process, or that of each lease before its hooks run.
func (c *runCmd) ready(ctx context.Context, b *bench) error {
	mode := c.Start
	if mode == "" && b.builtIn {
		mode = "mock"
	}
	if mode == "" {
		return nil
	}
	return inUse(b.start(ctx, mode, c.webUI(), c.ReplayFile), b.builtIn)
}

// inUse adds the flag that chooses another port to the failure of a start whose port
// another program has.
func inUse(err error, builtIn bool) error {
	var r *rpc.Refusal
	switch {
	case !errors.As(err, &r) || r.Code != rpc.AlreadyExists:
		return err
	case r.About == "web.port":
		return fmt.Errorf("%w (choose another with --web-listen)", err)
	case r.About == "listen.modes":
		return err // the mode has the port
	case builtIn:
		return fmt.Errorf("%w (choose another with --port)", err)
	}
	return fmt.Errorf("%w (choose another with --listen)", err)
}

// apply puts the flags about proxies into the configuration.
func (c *runCmd) apply(proxies []*exporter.Node) error {
	if filepath.IsAbs(c.ReplayFile) {
		for _, p := range proxies {
			p.Driver.Named = append(p.Driver.Named, filepath.Clean(c.ReplayFile))
		}
	}
	if err := c.listenFlags.apply(proxies); err != nil || c.Scenario == "" {
		return err
	}
	if len(proxies) != 1 {
		return usagef("--scenario needs a configuration with one proxy, this one has %d", len(proxies))
	}
	d := proxies[0].Driver
	info, err := os.Stat(c.Scenario)
	if err != nil {
		return fmt.Errorf("--scenario: %w", err)
	}
	d.MockScenario = c.Scenario // absolute by now, so not below the mocks directory
	if c.Exporter == "" && c.ExporterConfig == "" {
		// Its files lie beside it: there is no directory for uploads that a
		// configuration would name.
		d.Directories.Files, d.WritableScenario = c.Scenario, true
		if !info.IsDir() {
			d.Directories.Files = filepath.Dir(c.Scenario)
		}
	}
	return nil
}

// tell begins to report about the session, which has started.
func (b *bench) tell(ctx context.Context, w *observation) error {
	proxies, err := b.callers()
	if err != nil {
		return err
	}
	running := 0
	for _, p := range proxies {
		if up, err := p.Call(ctx, "is_running"); err == nil && up == true {
			running++
		}
	}
	w.attach(proxies)
	w.ready(fmt.Sprintf("%d of %d proxies running, JUMPSTARTER_HOST=%s", running, len(proxies), b.socket))
	return nil
}

// callers returns the proxies of the served session by the paths of their
// exports.
func (b *bench) callers() (map[string]proxy, error) {
	proxies := map[string]proxy{}
	for _, path := range b.Proxies() {
		p, err := b.proxy(path)
		if err != nil {
			return nil, err
		}
		proxies[path] = p
	}
	return proxies, nil
}

// greet prints the addresses of the proxies and what to do next.
func (b *bench) greet(ctx context.Context, sys *System, tcp net.Addr, insecure bool) error {
	var try, tried string
	for _, path := range b.Proxies() {
		p, err := b.proxy(path)
		if err != nil {
			return err
		}
		var st proxyStatus
		if err := p.document(ctx, &st, "status"); err != nil {
			return err
		}
		if !st.Running {
			sys.out("%-7s not running, start it with: j %s start", path+":", strings.ReplaceAll(path, ".", " "))
			continue
		}
		sys.out("%-7s http://%s (mode %s, %s mock endpoint(s))", path+":", st.ProxyAddress, st.Mode, st.MockCount)
		for _, w := range st.Ways {
			if w.Mode != "regular" {
				sys.out("way:    %s at %s", w.Mode, w.Address)
			}
		}
		if st.WebUIEnabled {
			sys.out("web UI: %s", st.WebUIAddress)
		}
		ca, err := p.text(ctx, "get_ca_cert_path")
		if err != nil {
			return err
		}
		sys.out("CA:     %s", ca)
		if try == "" {
			tried = strings.ReplaceAll(path, ".", " ")
			if try, err = p.tryLine(ctx, st, ca); err != nil {
				return err
			}
		}
	}
	sys.out("")
	sys.out("export JUMPSTARTER_HOST=%s", view.ShellWord(b.socket))
	sys.out("export JMP_DRIVERS_ALLOW=UNSAFE  # for Python's j and pytest")
	if tcp != nil {
		hint := ""
		if insecure {
			hint = " JMP_GRPC_INSECURE=1"
		}
		sys.out("# or over TCP: JUMPSTARTER_HOST=%s%s", tcp, hint)
	}
	if try != "" {
		sys.out("")
		sys.out("Try:")
		sys.out("  %s", try)
		sys.out("  starproxy j %s capture list  # in a terminal with the export line", tried)
	}
	return nil
}

// tryLine returns a command that shows the proxy at work: it asks for a mock
// that answers a plain GET, of a host that need not exist, or without one for
// the CA certificate that every proxy serves.
func (p proxy) tryLine(ctx context.Context, st proxyStatus, ca string) (string, error) {
	host, port, err := net.SplitHostPort(st.ProxyAddress)
	if err != nil {
		return "", fmt.Errorf("proxy address %q: %w", st.ProxyAddress, err)
	}
	curl := "curl -x http://" + net.JoinHostPort(reachable(host), port)
	if st.Mode == "mock" {
		mocks, err := p.mocks(ctx)
		if err != nil {
			return "", err
		}
		for _, m := range mocks {
			if path, ok := plainGet(m.key); ok {
				return fmt.Sprintf("%s --cacert %s https://device.example%s", curl, view.ShellWord(ca), path), nil
			}
		}
	}
	return curl + " http://mitm.it/cert/pem", nil
}

// reachable returns where this machine reaches what listens on a host.
func reachable(host string) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}

// plainGet returns the path of an endpoint key that one GET request can be made
// from.
func plainGet(key string) (path string, ok bool) {
	path, ok = strings.CutPrefix(key, "GET /")
	return "/" + path, ok && regexp.MustCompile(`^[\w./~-]*$`).MatchString(path)
}
