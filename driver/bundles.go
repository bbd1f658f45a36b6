package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"time"

	"starproxy/driver/bundle"
	"starproxy/driver/capture"
	"starproxy/driver/contract"
	"starproxy/driver/endpoints"
	"starproxy/driver/flow"
	"starproxy/driver/mask"
	"starproxy/driver/rpc"
	"starproxy/driver/view"
	"starproxy/driver/web"
)

// bundles writes what is known of the session of a proxy into one file.
type bundles struct {
	cfg          *Config
	captures     *captures
	reporter     *reporter
	handshakes   *handshakes
	endpoints    *endpoints.Service
	clocks       *clockMethods
	coverage     *coverage
	expectations *expectations
	contracts    *contract.Table
	logged       logLines
	log          *slog.Logger
}

// rows are for the table of methods.
func (b *bundles) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("save_bundle", "Stream a ZIP archive in base64 with all that is known of the session: exchanges, mocks, changes, log, "+
			"and a script that answers again; since is the number of an exchange, or an event that was marked, after which it begins. "+
			"Secrets are masked.", b.save,
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
	after, err := b.captures.timeline.since("save_bundle", args.since)
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
	out, err := bundle.Create(w, b.cfg.Bundle.MaxSize, b.manifest(args))
	if err != nil {
		return nil, err
	}
	defer out.Abort()
	rec, err := out.Record(b.captures.flows(args.picks))
	if err != nil {
		return nil, err
	}
	defer func() { rec.Close() }()
	sources := b.endpoints.Sources()
	parts := append(b.parts(args), b.exporterPart(sources, nil)) // its mocks may have secrets
	for _, s := range sources.Files {
		parts = append(parts, part{bundle.File{Name: s.Name, From: s.From}, s.Open})
	}
	for _, name := range sources.Removed {
		out.LeaveOut("replay.sh --mocks", "the mock "+name+" was removed, and is there again")
	}
	var secrets *masking
	if !args.unmask {
		secrets = &masking{Masker: mask.New(mask.Options{Names: b.cfg.Bundle.Mask}), query: map[string]bool{}}
		if args.since != "" || args.expr != "" {
			secrets.heard(b.captures.flows(nil))
		}
		if rec, err = secrets.record(out, rec, parts); err != nil {
			return nil, err
		}
	}
	at := slices.IndexFunc(parts, func(p part) bool { return p.file.Name == bundle.Exporter })
	parts[at] = b.exporterPart(sources, secrets.ignored())
	if err := b.fill(out, rec, parts, secrets); err != nil {
		return nil, err
	}
	return out.Close()
}

// fill adds all files to a bundle but the manifest.
func (b *bundles) fill(out *bundle.Writer, rec *flow.File, parts []part, secrets *masking) error {
	if err := out.Texts(); err != nil {
		return err
	}
	out.Keep(bundle.Status, bundle.TLS, bundle.Timeline)
	for _, p := range parts {
		if err := p.add(out, secrets); err != nil {
			return err
		}
	}
	// The page has the manifest.
	secrets.close(out)
	report := sessionForm{bundle.Report, func(w io.Writer, flows iter.Seq2[*flow.Flow, error]) error { return writeReport(w, flows, out) }}
	for _, f := range slices.Insert(sessionForms(), 1, report) {
		if err := out.Add(bundle.File{Name: f.name}, func(w io.Writer) error { return f.write(w, rec.Flows()) }); err != nil {
			return err
		}
	}
	return nil
}

// manifest returns the manifest as far as it is known before the bundle is written.
func (b *bundles) manifest(args bundleArgs) bundle.Manifest {
	m := bundle.Manifest{
		Version: flow.Version(), Mode: b.reporter.life.mode(), Since: args.since, Filter: args.expr, Seed: b.cfg.Seed,
	}
	if !args.unmask {
		m.Masked = &bundle.Masked{}
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
