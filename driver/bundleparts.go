package driver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"starproxy/driver/bundle"
	"starproxy/driver/capture"
	"starproxy/driver/endpoints"
	"starproxy/driver/flow"
	"starproxy/driver/mask"
)

// part is a text of a bundle.
type part struct {
	file bundle.File
	open func() (io.ReadCloser, error)
}

// jsonPart returns a part with a value as indented JSON, as it is now.
func jsonPart(name string, v any) part {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return part{bundle.File{Name: name}, func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text.Bytes())), err
	}}
}

// linesPart returns a part with one line of JSON for each value, as it is now.
func linesPart[T any](name string, values []T) part {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	var err error
	for _, v := range values {
		if err = e.Encode(v); err != nil {
			break
		}
	}
	return part{bundle.File{Name: name}, func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text.Bytes())), err
	}}
}

// add adds the part to a bundle; without secrets it is as it is.
func (p part) add(out *bundle.Writer, secrets *masking) error {
	file := p.file
	if secrets == nil {
		return out.Add(file, func(w io.Writer) error {
			r, err := p.open()
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(w, r)
			return err
		})
	}
	text, err := p.read()
	if err == nil {
		sum := sha256.Sum256(text)
		file.Original = hex.EncodeToString(sum[:])
		if p.program() {
			text = secrets.Code(text)
		} else {
			text = secrets.Bytes(text)
		}
	}
	return out.Add(file, func(w io.Writer) error {
		if err != nil {
			return err
		}
		_, err := w.Write(text)
		return err
	})
}

// program reports whether the part is a script, whose names are no secrets.
func (p part) program() bool { return strings.HasSuffix(p.file.Name, ".star") }

// maxMasked is the largest text that secrets are looked for in, in bytes.
const maxMasked = 16 << 20

// read returns the text of a part, in which secrets are looked for.
func (p part) read() ([]byte, error) {
	r, err := p.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxMasked+1))
	if err == nil && len(text) > maxMasked {
		err = fmt.Errorf("it has more than %d MiB, in which secrets are not looked for", maxMasked>>20)
	}
	return text, err
}

// masking masks the secrets of a bundle; nil leaves them as they are.
type masking struct {
	*mask.Masker
	// query are the parameters of URLs with a masked value, and body tells that a body of
	// a request is masked: a replay has to look over them.
	query map[string]bool
	body  bool
}

// heard learns the secrets of exchanges that are not in the bundle: a login before the
// part of the session that is asked for, for example. A body that is gone is passed over.
func (m *masking) heard(flows iter.Seq2[*flow.Flow, error]) {
	for f, err := range flows {
		if err == nil {
			_ = m.Learn(f)
		}
	}
}

// record learns the secrets of a recording and of texts, and returns the recording with
// all of them masked. It closes the one that it is given.
func (m *masking) record(out *bundle.Writer, rec *flow.File, parts []part) (*flow.File, error) {
	for f, err := range rec.Flows() {
		if err == nil {
			err = m.Learn(f)
		}
		if err != nil {
			return rec, err
		}
	}
	for _, p := range parts {
		text, err := p.read()
		switch {
		case err != nil: // add tells it
		case p.program():
			m.LearnCode(text)
		default:
			m.LearnText(text)
		}
	}
	masked, err := out.Rewrite(rec, m.flow)
	if err != nil {
		return rec, err
	}
	return masked, nil
}

// flow masks a flow. A body that can't be masked is as one that was not stored.
func (m *masking) flow(f *flow.Flow) (*flow.Flow, error) {
	masked, err := m.Flow(f)
	if err != nil {
		return nil, err
	}
	m.note(&f.Request, &masked.Request)
	if masked.Response != nil && masked.Response.Body.Missing && !f.Response.Body.Missing {
		masked.Shed(flow.ResponseBody)
	}
	return masked, nil
}

// note notes the parts of a request that differ from the masked one.
func (m *masking) note(r, masked *flow.Request) {
	if r.Path != masked.Path {
		_, before, _ := strings.Cut(r.Path, "?")
		_, after, _ := strings.Cut(masked.Path, "?")
		then, _ := url.ParseQuery(before) // what can't be read is left out
		now, _ := url.ParseQuery(after)
		for name, values := range then {
			if !slices.Equal(values, now[name]) {
				m.query[name] = true
			}
		}
	}
	m.body = m.body || !bytes.Equal(r.Body.Data, masked.Body.Data) || r.Body.Path != masked.Body.Path
}

// ignored returns the key ignore of a replay that looks over what is masked.
func (m *masking) ignored() map[string]any {
	out := map[string]any{}
	if m == nil {
		return out
	}
	if len(m.query) > 0 {
		out["query"] = slices.Sorted(maps.Keys(m.query))
	}
	if m.body {
		out["body"] = true
	}
	return out
}

// close masks the manifest, and tells there what was masked.
func (m *masking) close(out *bundle.Writer) {
	if m == nil {
		return
	}
	if m.LeftOut > 0 {
		out.LeaveOut(fmt.Sprintf("%d bodies of messages", m.LeftOut),
			"secrets in them can't be masked: they are too large, or their encoding is broken")
	}
	if m.Overflow > 0 {
		out.LeaveOut("the copies of secrets", fmt.Sprintf("%d secrets are masked only where their place tells them", m.Overflow))
	}
	manifest := out.Manifest()
	manifest.Filter, manifest.Since = m.Text(manifest.Filter), m.Text(manifest.Since)
	for i := range manifest.LeftOut {
		left := &manifest.LeftOut[i]
		left.Part, left.Reason = m.Text(left.Part), m.Text(left.Reason)
	}
	manifest.Masked = &bundle.Masked{Secrets: m.Secrets, Places: m.Places}
}

// parts returns the texts about the session.
func (b *bundles) parts(args bundleArgs) []part {
	list := []part{jsonPart(bundle.Status, b.reporter.report())}
	if changes := b.captures.timeline.all(); len(changes) > 0 {
		list = append(list, linesPart(bundle.Timeline, changes))
	}
	if records, _ := b.logged.Since(0); len(records) > 0 {
		list = append(list, linesPart(bundle.Log, records))
	}
	if misses := b.misses(args.picks); len(misses) > 0 {
		list = append(list, jsonPart(bundle.Misses, misses))
	}
	if report, err := b.handshakes.report(context.Background(), "", ""); err == nil && report.Handshakes > 0 {
		list = append(list, jsonPart(bundle.TLS, report))
	}
	if report := b.coverage.report(true); report.Total > 0 {
		list = append(list, jsonPart(bundle.Coverage, report))
	}
	if report := b.contracts.Report(); report.Contract != "" {
		list = append(list, jsonPart(bundle.Contract, report))
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

// exporterPart returns the exporter file of replay.sh. Its paths are relative to it. ignore
// is that of its replay.
func (b *bundles) exporterPart(sources endpoints.Sources, ignore map[string]any) part {
	config := map[string]any{
		"listen":      map[string]any{"host": "127.0.0.1", "port": b.cfg.Listen.Port},
		"web":         map[string]any{"host": "127.0.0.1"},
		"directories": map[string]any{"mocks": bundle.Scenario, "files": bundle.Scenario, "addons": bundle.Scripts},
		"unmatched":   Reject,
		"replay":      map[string]any{"refresh": false, "ignore": ignore},
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
	proxy := map[string]any{"type": "jumpstarter_driver_mitmproxy.driver.MitmproxyDriver", "config": config}
	// JSON is YAML.
	return jsonPart(bundle.Exporter, map[string]any{
		"apiVersion": "jumpstarter.dev/v1alpha1", "kind": "ExporterConfig",
		"metadata": map[string]any{"namespace": "default", "name": "replay"}, "export": map[string]any{"proxy": proxy},
	})
}
