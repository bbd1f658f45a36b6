package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"starproxy/driver/bundle"
	"starproxy/driver/capture"
	"starproxy/driver/endpoints"
	"starproxy/driver/flow"
	"starproxy/driver/rpc"
	"starproxy/driver/view"
	"starproxy/driver/web"
)

// bundles writes what is known of the session of a proxy into one file.
type bundles struct {
	cfg        *Config
	captures   *captures
	reporter   *reporter
	handshakes *handshakes
	endpoints  *endpoints.Service
	clocks     *clockMethods
	coverage   *coverage
}

// rows are for the table of methods.
func (b *bundles) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("save_bundle", "Stream a ZIP archive in base64 with all that is known of the session: exchanges, mocks, changes, log, "+
			"and a script that answers again; since is the number of an exchange, after which it begins. Secrets are masked.", b.save,
			rpc.With("since", ""), rpc.With("filter_expr", ""), rpc.With("unmask", false)),
	}
}

// bundleArgs say what a bundle has.
type bundleArgs struct {
	since, expr string
	unmask      bool
	picks       capture.Filter // made of since and expr
}

func (b *bundles) save(ctx context.Context, since, expr string, unmask bool) (iter.Seq2[any, error], error) {
	args := bundleArgs{since: since, expr: expr, unmask: unmask}
	var err error
	if args.picks, err = b.picks(ctx, args); err != nil {
		return nil, err
	}
	return chunks(func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() {
			_, err := b.write(w, args)
			if err != nil {
				err = fmt.Errorf("save_bundle: %w", err)
			}
			w.CloseWithError(err)
		}()
		return r, nil
	}), nil
}

// picks returns the filter for the exchanges of a bundle.
func (b *bundles) picks(ctx context.Context, args bundleArgs) (capture.Filter, error) {
	after, err := b.captures.since("save_bundle", args.since)
	if err != nil {
		return nil, err
	}
	shows, err := b.captures.view.Filter(ctx, "save_bundle", args.expr)
	if err != nil {
		return nil, err
	}
	return func(e *capture.Entry) bool { return e.Seq > after && (shows == nil || shows(e)) }, nil
}

// write writes a bundle.
func (b *bundles) write(w io.Writer, args bundleArgs) (*bundle.Manifest, error) {
	out, err := bundle.Create(w, bundle.DefaultMaxSize, b.manifest(args))
	if err != nil {
		return nil, err
	}
	defer out.Abort()
	rec, err := out.Record(b.captures.flows(args.picks))
	if err != nil {
		return nil, err
	}
	defer rec.Close()
	if err := out.Texts(); err != nil {
		return nil, err
	}
	out.Keep(bundle.Status, bundle.TLS, bundle.Timeline)
	sources := b.endpoints.Sources()
	parts := append(b.parts(args), b.exporterPart(sources))
	for _, s := range sources.Files {
		parts = append(parts, sourcePart(s))
	}
	for _, name := range sources.Removed {
		out.LeaveOut("replay.sh --mocks", "the mock "+name+" was removed, and is there again")
	}
	for _, p := range parts {
		if err := p.add(out); err != nil {
			return nil, err
		}
	}
	report := sessionForm{bundle.Report, func(w io.Writer, flows iter.Seq2[*flow.Flow, error]) error { return writeReport(w, flows, out) }}
	for _, f := range slices.Insert(sessionForms(), 1, report) {
		if err := out.Add(bundle.File{Name: f.name}, func(w io.Writer) error { return f.write(w, rec.Flows()) }); err != nil {
			return nil, err
		}
	}
	return out.Close()
}

// manifest returns the manifest as far as it is known before the bundle is written.
func (b *bundles) manifest(args bundleArgs) bundle.Manifest {
	m := bundle.Manifest{
		Version: flow.Version(), Mode: b.reporter.life.mode(), Since: args.since, Filter: args.expr, Seed: b.cfg.Seed,
		Secrets: map[string]int{},
	}
	if clock := b.clocks.report(); clock.Turned {
		m.Clock = clock.Now
	}
	return m
}

// sessionForm is a file of a bundle that is made of the exchanges.
type sessionForm struct {
	name  string
	write func(io.Writer, iter.Seq2[*flow.Flow, error]) error
}

func sessionForms() []sessionForm {
	return []sessionForm{{bundle.Flows, flow.WriteFlows}, {bundle.HAR, writeHAR}, {bundle.PCAPNG, flow.WritePCAPNG}}
}

// writeReport writes the page with the exchanges, and with what out has of the session.
func writeReport(w io.Writer, flows iter.Seq2[*flow.Flow, error], out *bundle.Writer) error {
	m := out.Manifest()
	about, err := json.Marshal(m)
	if err != nil {
		return err
	}
	s, err := view.NewSession(flows, view.Known{
		Name: "starproxy " + m.Created.Format(time.DateTime) + " UTC", Manifest: about,
		Status: out.Kept(bundle.Status), TLS: out.Kept(bundle.TLS), Timeline: view.Events(out.Kept(bundle.Timeline)),
	})
	if err != nil {
		return err
	}
	defer s.Close()
	return web.WriteReport(context.Background(), w, s, view.Budget{})
}

// maxBundled is the largest text that is masked, in bytes.
const maxBundled = 16 << 20

// part is a text of a bundle.
type part struct {
	file bundle.File
	open func() (io.ReadCloser, error)
}

// jsonPart returns a part with a value as indented JSON.
func jsonPart(name string, v any) part {
	return part{bundle.File{Name: name}, func() (io.ReadCloser, error) {
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err := e.Encode(v)
		return io.NopCloser(&text), err
	}}
}

func sourcePart(s endpoints.Source) part {
	return part{bundle.File{Name: s.Name, From: s.From}, s.Open}
}

// add adds the part to a bundle.
func (p part) add(out *bundle.Writer) error {
	return out.Add(p.file, func(w io.Writer) error {
		r, err := p.open()
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
}

// parts returns the texts about the session.
func (b *bundles) parts(args bundleArgs) []part {
	list := []part{jsonPart(bundle.Status, b.reporter.report())}
	if misses := b.misses(args.picks); len(misses) > 0 {
		list = append(list, jsonPart(bundle.Misses, misses))
	}
	if report, err := b.handshakes.report(context.Background(), "", ""); err == nil && report.Handshakes > 0 {
		list = append(list, jsonPart(bundle.TLS, report))
	}
	if report := b.coverage.report(true); report.Total > 0 {
		list = append(list, jsonPart(bundle.Coverage, report))
	}
	return list
}

// missed is a request that no mock answered.
type missed struct {
	Exchange uint64    `json:"exchange"`
	Time     time.Time `json:"time"`
	Request  string    `json:"request"`
	Why      any       `json:"why"`
}

// maxMisses bounds the requests without a mock that a bundle tells of, the newest.
const maxMisses = 500

// misses returns the requests that no mock answered, with the mocks that come nearest now.
func (b *bundles) misses(picks capture.Filter) []missed {
	var list []missed
	for e := range b.captures.journal.Backward(func(e *capture.Entry) bool { return e.Unmatched && picks(e) }) {
		if len(list) == maxMisses {
			break
		}
		list = append(list, missed{e.Seq, e.Start.UTC(), e.Method + " " + e.URL(), b.captures.view.Why(e)})
	}
	return list
}

// exporterPart returns the exporter file of replay.sh. Its paths are relative to it.
func (b *bundles) exporterPart(sources endpoints.Sources) part {
	config := map[string]any{
		"listen":      map[string]any{"host": "127.0.0.1", "port": b.cfg.Listen.Port},
		"web":         map[string]any{"host": "127.0.0.1"},
		"directories": map[string]any{"mocks": bundle.Scenario, "files": bundle.Scenario, "addons": bundle.Scripts},
		"unmatched":   Reject,
		"replay":      map[string]any{"refresh": false},
	}
	if b.cfg.Seed != nil {
		config["seed"] = *b.cfg.Seed
	}
	if sources.Document != "" {
		config["mock_scenario"] = sources.Document
	}
	if len(sources.Laid) > 0 {
		config["mocks"] = sources.Laid
	}
	// JSON is YAML.
	return jsonPart(bundle.Exporter, map[string]any{
		"apiVersion": "jumpstarter.dev/v1alpha1", "kind": "ExporterConfig",
		"metadata": map[string]any{"namespace": "default", "name": "replay"},
		"export":   map[string]any{"proxy": map[string]any{"type": "jumpstarter_driver_mitmproxy.driver.MitmproxyDriver", "config": config}},
	})
}

// since returns the number of the exchange after which a caller wants those of the
// journal: a number as text, 0 for an empty one.
func (c *captures) since(method, mark string) (uint64, error) {
	if mark == "" {
		return 0, nil
	}
	var n uint64
	if err := json.Unmarshal([]byte(mark), &n); err != nil {
		return 0, &rpc.Refusal{Code: rpc.InvalidArgument, About: "since",
			Text: fmt.Sprintf("%s: argument since: got %q, want the number of an exchange", method, mark)}
	}
	return n, nil
}
