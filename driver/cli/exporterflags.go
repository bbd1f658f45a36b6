package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"starproxy/driver"
	"starproxy/driver/client"
	"starproxy/driver/exporter"
	"starproxy/driver/exporter/part"
)

// exporterFlags say which exporter to serve.
type exporterFlags struct {
	Exporter       string `completion:"exporters" xor:"exporter" placeholder:"NAME" help:"Exporter file NAME.yaml in ~/.config/jumpstarter/exporters or /etc/jumpstarter/exporters."`
	ExporterConfig string `name:"exporter-config" xor:"exporter" type:"path" placeholder:"FILE" help:"Exporter file to serve."`
	partFlags
	LogLevel  string `name:"log-level" enum:"debug,info,warn,error" default:"warn" placeholder:"LEVEL" help:"Least severity that is logged on standard error: debug, info, warn, error (default ${default})."`
	LogFormat string `name:"log-format" enum:"text,json," default:"" placeholder:"FORMAT" help:"Form of the log, text or json (default: columns on a terminal, else text). With run, the log tells of each request too, in the place of lines on a terminal."`
}

// newLog returns the log that the flags ask for.
func (f *exporterFlags) newLog(sys *System) logHandler {
	return newLogHandler(sys, logLevel(f.LogLevel), f.LogFormat)
}

// partFlags say how the drivers of an exporter are hosted.
type partFlags struct {
	Python  string `placeholder:"PATH" help:"Python interpreter, or virtual environment, that hosts the drivers which are no proxies (default: that of VIRTUAL_ENV, else the one beside jmp, else python3)."`
	Isolate bool   `help:"Run the proxies in a process of their own, which is started again when it dies; with a controller they always do."`
	Memory  uint64 `name:"proxy-memory" default:"4096" placeholder:"MIB" help:"Memory in MiB that this process may use (default ${default})."`
}

// isolation returns how the proxies are kept apart; nil if they are not.
func (f *partFlags) isolation() *exporter.Isolation {
	if !f.Isolate {
		return nil
	}
	return &exporter.Isolation{Command: hostCommand, Memory: f.Memory << 20}
}

// bench is a session of this process. Its proxies are called as any client
// calls them, over its socket.
type bench struct {
	*exporter.Session
	config *exporter.Config
	// builtIn says that no configuration was given.
	builtIn bool
	log     logHandler
	shared  *driver.Shared
	python  *part.Part

	// What serve sets.
	socket string
	client *client.Client
}

// open makes a session that no controller leases, as the flags ask for it;
// nothing is served yet. Each edit sees the proxies of the configuration before
// it is used.
func (f *exporterFlags) open(sys *System, edits ...func([]*exporter.Node) error) (*bench, error) {
	config, builtIn, err := f.configure(sys, edits...)
	if err != nil {
		return nil, err
	}
	return f.openLocal(sys, config, builtIn)
}

// openLocal makes a session of a configuration that no controller leases.
func (f *exporterFlags) openLocal(sys *System, config *exporter.Config, builtIn bool) (*bench, error) {
	b := &bench{config: config, builtIn: builtIn, log: f.newLog(sys), shared: driver.NewShared()}
	log := slog.New(b.log)
	b.python = part.Python(f.Python, log)
	var err error
	b.Session, err = exporter.Open(config, exporter.Options{Log: log, Shared: b.shared, Python: b.python, Isolate: f.isolation()})
	if err != nil {
		b.python.Close()
	}
	return b, err
}

// configure reads the exporter file, or makes the built-in configuration, and
// applies the edits.
func (f *exporterFlags) configure(sys *System, edits ...func([]*exporter.Node) error) (config *exporter.Config, builtIn bool, err error) {
	if config, builtIn, err = f.load(sys); err != nil {
		return nil, false, err
	}
	for _, edit := range edits {
		if err := edit(proxyNodes(config.Export)); err != nil {
			return nil, false, err
		}
	}
	if builtIn {
		err = useQuickstart(config.Export[0].Driver)
	}
	return config, builtIn, err
}

// noHooks says that the hooks of a configuration do not run, if there are any.
func noHooks(sys *System, c *exporter.Config) {
	if c.Hooks.BeforeLease != nil || c.Hooks.AfterLease != nil {
		sys.note("%s: hooks are not run in a local session", sys.Name)
	}
}

// load reads the exporter file, or makes the built-in configuration up.
func (f *exporterFlags) load(sys *System) (c *exporter.Config, builtIn bool, err error) {
	path := f.ExporterConfig
	switch {
	case f.Exporter != "":
		if path, err = exporter.Find(f.Exporter); err != nil {
			return nil, false, err
		}
	case path == "":
		c, err = builtInConfig(sys)
		return c, true, err
	}
	c, err = exporter.Load(path)
	return c, false, err
}

func logLevel(name string) (l slog.Level) {
	_ = l.UnmarshalText([]byte(name)) // the grammar lets known names pass only
	return l
}

// proxyNodes lists the proxies among nodes and below them.
func proxyNodes(nodes []*exporter.Node) (found []*exporter.Node) {
	for _, n := range nodes {
		if n.Driver != nil {
			found = append(found, n)
		}
		found = append(found, proxyNodes(n.Children)...)
	}
	return found
}

// start starts every proxy; the first that fails ends it.
func (b *bench) start(ctx context.Context, mode string, webUI bool, replayFile string) error {
	b.log.quiet.Store(true)
	defer b.log.quiet.Store(false)
	for _, path := range b.Proxies() {
		p, err := b.proxy(path)
		if err == nil {
			_, err = p.text(ctx, "start", mode, webUI, replayFile, 0)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// serve serves the session on a unix socket, see ServeUnix, and connects to it.
func (b *bench) serve(ctx context.Context, path string) (err error) {
	if b.socket, err = b.ServeUnix(path); err != nil {
		return err
	}
	b.client, err = client.Dial(ctx, b.socket, client.Options{})
	return err
}

// Close ends the session.
func (b *bench) Close() error {
	if b.client != nil {
		b.client.Close()
	}
	err := b.Session.Close()
	if b.python != nil {
		b.python.Close()
	}
	return err
}

// end closes the session and logs what went wrong.
func (b *bench) end() {
	if err := b.Close(); err != nil {
		slog.New(b.log).Error("the session did not close well", "error", err)
	}
}

// proxy returns the proxy at a dotted path of the served session.
func (b *bench) proxy(path string) (proxy, error) {
	n, err := b.client.Find(strings.Split(path, ".")...)
	return proxy{n}, err
}

// builtInConfig is what is served when no exporter file is given: one proxy on
// the loopback interface with the quick-start scenario and its data in the
// user's data directory.
func builtInConfig(sys *System) (*exporter.Config, error) {
	data, err := driver.UserData(sys.Getenv)
	if err != nil {
		return nil, err
	}
	d := driver.DefaultConfig()
	d.Listen.Host = "127.0.0.1"
	d.Web.Host = "127.0.0.1"
	d.Directories.Data = data
	return &exporter.Config{
		Metadata:    exporter.Metadata{Namespace: "default", Name: "starproxy"},
		Description: "starproxy with its built-in configuration",
		Export:      []*exporter.Node{{Name: "proxy", Driver: &d}},
	}, nil
}
