package driver

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"starproxy/driver/mock"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

// shownEndpoint is an endpoint as the web UI lists it.
type shownEndpoint struct {
	Key        string `json:"key"`
	Summary    string `json:"summary"`
	Source     string `json:"source"`
	File       string `json:"file"`
	Line       int    `json:"line"`
	Hits       uint64 `json:"hits"`
	Enabled    bool   `json:"enabled"`
	Scripted   bool   `json:"scripted"`
	Definition any    `json:"definition"`
	Text       string `json:"text"` // the definition as YAML
}

func (d *Driver) listEndpoints(context.Context) (string, error) {
	list := []shownEndpoint{}
	for _, r := range d.mocks.table.Report() {
		ep := r.Endpoint
		text, err := scenario.Text(ep.Definition)
		if err != nil {
			return "", err
		}
		list = append(list, shownEndpoint{
			Key: ep.Name, Summary: ep.Summary, Source: ep.Source.String(), File: ep.Source.File, Line: ep.Source.Line,
			Hits: r.Hits, Enabled: r.Enabled, Scripted: strings.HasPrefix(ep.Summary, "script:"), Definition: ep.Definition, Text: text,
		})
	}
	return rpc.JSON(list)
}

func (d *Driver) enableMock(_ context.Context, key string, enabled bool) (string, error) {
	if !d.mocks.table.Enable(key, enabled) {
		return "", stock(rpc.NotFound, "key", "Mock not found: %s", key)
	}
	if enabled {
		return "Mock enabled: " + key, nil
	}
	return "Mock disabled: " + key, nil
}

// checkMock tells what is wrong with an endpoint that somebody is writing.
func (d *Driver) checkMock(_ context.Context, key, text string) (string, error) {
	warnings := scenario.Warnings{}
	env := d.mocks.env()
	env.Log = slog.New(&warnings)
	_, err := scenario.CompileText(mockText, key, []byte(text), env)
	if err != nil {
		return rpc.JSON(fault(err))
	}
	for i, w := range warnings {
		warnings[i] = strings.TrimPrefix(w, mockText+":")
	}
	return rpc.JSON(map[string]any{"ok": true, "warnings": warnings})
}

// fault is what check methods answer for a text that is not right: what is
// wrong, and where, as far as the error knows.
func fault(err error) map[string]any {
	answer := map[string]any{"ok": false, "error": err.Error()}
	var (
		endpoint *scenario.Error
		value    *rpc.JSONError
	)
	switch {
	case errors.As(err, &endpoint):
		answer["error"], answer["line"], answer["column"] = endpoint.Message, endpoint.Line, endpoint.Column
	case errors.As(err, &value):
		answer["error"], answer["line"], answer["column"] = value.Message, value.Line, value.Column
	}
	return answer
}

// putMock puts an endpoint in force that is given as YAML or JSON text.
func (d *Driver) putMock(_ context.Context, key, text, replaces string) (string, error) {
	if err := d.mocks.put(key, text, replaces); err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "put_mock: %v", err)
	}
	return "Mock set: " + key, nil
}

// mockText names the text of an endpoint in messages.
const mockText = "mock"

// compile makes the endpoints of a text.
func (m *mocks) compile(key, text string) ([]*mock.Endpoint, error) {
	return scenario.CompileText(mockText, key, []byte(text), m.env())
}

// put sets the endpoints of a text in place of another key.
func (m *mocks) put(key, text, replaces string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	eps, err := m.compile(key, text)
	if err != nil {
		return err
	}
	if replaces != "" && replaces != key {
		m.table.Remove(replaces)
		m.layers.drop(replaces)
	}
	m.force(eps)
	return nil
}

func (d *Driver) captureAsMock(_ context.Context, seq int) (string, error) {
	e, err := d.view.Entry("capture_as_mock", seq)
	if err != nil {
		return "", err
	}
	key, text, err := scenario.AsMock(e, d.cfg.Directories.Files)
	if err != nil {
		return "", rpc.Refuse(rpc.FailedPrecondition, "capture_as_mock: %v", err)
	}
	return rpc.JSON(map[string]string{"key": key, "definition": text})
}

func (d *Driver) deleteState(_ context.Context, key string) (string, error) {
	if !d.state.Delete(key) {
		return "", stock(rpc.NotFound, "key", "State key not found: %s", key)
	}
	return "State deleted: " + key, nil
}

// listScenarios lists what load_mock_scenario can load from the mocks directory.
func (d *Driver) listScenarios(context.Context) (string, error) {
	type file struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	}
	list := []file{}
	entries, err := os.ReadDir(d.cfg.Directories.Mocks)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(d.cfg.Directories.Mocks, name)
		switch ext := strings.TrimPrefix(filepath.Ext(name), "."); {
		case strings.HasPrefix(name, "."), strings.HasSuffix(name, "_test.star"):
		case e.IsDir():
			if slices.ContainsFunc(scenarioFiles(path), exists) {
				list = append(list, file{name, "dir"})
			}
		case slices.Contains([]string{"yaml", "yml", "json", "star"}, ext):
			list = append(list, file{name, ext})
		}
	}
	return rpc.JSON(list)
}

func (d *Driver) listAddonStatus(context.Context) (string, error) {
	type addon struct {
		Name  string `json:"name"`
		File  string `json:"file"`
		Error string `json:"error"`
	}
	list := []addon{}
	faults := maps.Clone(d.mocks.addons.Faults())
	failures := d.failures()
	names, err := addonNames(d.cfg.Directories.Addons)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		file := filepath.Join(d.cfg.Directories.Addons, name+".star")
		list = append(list, addon{name, file, cmp.Or(faults[name], failures(file))})
		delete(faults, name)
	}
	for name, fault := range faults {
		list = append(list, addon{name, filepath.Join(d.cfg.Directories.Addons, name+".star"), fault})
	}
	return rpc.JSON(list)
}

// maxFailures bounds how many of the latest exchanges are searched for failures.
const maxFailures = 2000

// failures gives a function that tells the latest note in which a script has
// failed since its file was changed.
func (d *Driver) failures() func(file string) string {
	type failure struct {
		at   time.Time
		text string
	}
	var all []failure
	n := 0
	for e := range d.journal.Backward(nil) {
		if n++; n > maxFailures {
			break
		}
		for _, note := range e.Notes {
			if note.Level == "error" {
				all = append(all, failure{e.Start.Add(e.Duration), note.Text})
			}
		}
	}
	return func(file string) string {
		info, err := os.Stat(file)
		for _, f := range all {
			if err == nil && f.at.After(info.ModTime()) && strings.Contains(f.text, file+":") {
				return f.text
			}
		}
		return ""
	}
}

// statusPace is how often who watches the status hears of changes.
const statusPace = 500 * time.Millisecond

func (d *Driver) watchStatus(ctx context.Context) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		tick := time.NewTicker(statusPace)
		defer tick.Stop()
		last := ""
		for {
			now, err := d.status(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if now != last && !yield(now, nil) {
				return
			}
			last = now
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}, nil
}
