package endpoints

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

// SavePreview says how a scenario file changes when an endpoint is saved to it.
type SavePreview struct {
	// File is the path of the file, and Name its name below the directory of scenarios, or
	// the path if it lies elsewhere.
	File string `json:"file"`
	Name string `json:"name"`
	// New is true if there is no such file yet.
	New bool `json:"new"`
	// Removes is true if the endpoint is no longer in force: its key is removed.
	Removes bool `json:"removes"`
	// Diff is a unified diff of the text; empty if nothing changes.
	Diff string `json:"diff"`
	// Hash is that of the text before and after. A save of anything else is refused.
	Hash string `json:"hash"`
}

// draft is a scenario file that is about to be written.
type draft struct {
	SavePreview
	place saveFile
	after []byte
	def   any // of the endpoint; nil when it is removed
}

// previewSave is the method preview_mock_save.
func (s *Service) previewSave(_ context.Context, key, file string) (*SavePreview, error) {
	d, err := s.draft(key, file)
	if err != nil {
		return nil, unsaved("preview_mock_save", err)
	}
	return &d.SavePreview, nil
}

// save is the method save_mock.
func (s *Service) save(_ context.Context, key, file, hash string) (string, error) {
	s.saving.Lock()
	defer s.saving.Unlock()
	d, err := s.draft(key, file)
	if err == nil && d.Hash != hash {
		err = rpc.Refuse(rpc.FailedPrecondition, "save_mock: %s or the mock has changed since the preview", d.Name)
	}
	if err == nil && d.Diff != "" {
		err = d.place.write(d.after)
	}
	if err != nil {
		return "", unsaved("save_mock", err)
	}
	s.settle(d, key)
	if d.Removes {
		return fmt.Sprintf("Removed %s from %s", key, d.Name), nil
	}
	return fmt.Sprintf("Saved %s to %s", key, d.Name), nil
}

// unsaved returns an error of a save as a refusal.
func unsaved(method string, err error) error {
	var refusal *rpc.Refusal
	if errors.As(err, &refusal) {
		return err
	}
	return rpc.Refuse(rpc.FailedPrecondition, "%s: %v", method, err)
}

// draft computes the new text of a scenario file, so that it says what is in force for the
// key. An empty file is that of the endpoint, or of the loaded scenario.
func (s *Service) draft(key, file string) (*draft, error) {
	def, from, err := s.inForce(key)
	if err != nil {
		return nil, err
	}
	if file = cmp.Or(file, from); file == "" {
		return nil, errors.New("no scenario file is loaded: name a file to save to, such as mine.yaml")
	}
	place, err := s.saveFile(file)
	if err != nil {
		return nil, err
	}
	d := &draft{place: place, def: def}
	d.File, d.Name, d.Removes = place.path, place.shown, def == nil
	before, err := place.read()
	if d.New = errors.Is(err, fs.ErrNotExist); err != nil && !d.New {
		return nil, err
	}
	if d.New && d.Removes {
		return nil, fmt.Errorf("there is no endpoint %s in force, and no file %s", key, d.Name)
	}
	if d.after, err = s.edited(place.path, before, key, def); err != nil {
		return nil, err
	}
	if d.Removes && bytes.Equal(d.after, before) {
		return nil, fmt.Errorf("there is no endpoint %s in force, and none in %s", key, d.Name)
	}
	d.Diff = document.Unified(d.Name, before, d.after)
	sum := sha256.Sum256(slices.Concat(before, []byte{0}, d.after))
	d.Hash = hex.EncodeToString(sum[:])
	return d, nil
}

// inForce returns the definition of an endpoint, nil if it is not in force, and the file to
// which it is saved unless another one is named; empty for none.
func (s *Service) inForce(key string) (def any, file string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.loaded; l != nil && l.path != "" {
		file = l.source
	}
	ep := s.table.Get(key)
	if ep == nil {
		return nil, file, nil
	}
	if o, ok := ep.Definition.(jsonvalue.Object); ok && strings.HasPrefix(ep.Summary, "script:") && len(o) == 1 {
		return nil, "", fmt.Errorf("a function of a script answers %s: edit %s", key, cmp.Or(ep.Source.String(), "it"))
	}
	return ep.Definition, file, nil
}

// edited returns the text of a scenario file with the definition of an endpoint, or
// without it if def is nil, and checks that it still is a scenario that says so.
func (s *Service) edited(path string, before []byte, key string, def any) ([]byte, error) {
	root, err := document.Read(path, before)
	if err != nil {
		return nil, err
	}
	if kind, _ := document.KindOf(root); kind != "" && kind != "scenario" {
		return nil, fmt.Errorf("%s: this is %s, not a scenario", path, kind)
	}
	at, def, err := placeIn(root, key, def)
	if err != nil {
		return nil, err
	}
	var after []byte
	if def == nil {
		after, err = document.Remove(path, before, at)
	} else {
		after, err = document.Set(path, before, at, def)
	}
	if err != nil {
		return nil, err
	}
	return after, s.verify(path, after, key, def == nil)
}

// placeIn returns the path of an endpoint in a document, and its definition there.
func placeIn(root *yaml.Node, key string, def any) ([]string, any, error) {
	var path []string
	in := root
	for _, wrapper := range []string{"endpoints", "mocks"} {
		if document.Has(root, wrapper) {
			path, in = []string{wrapper}, document.Child(root, wrapper)
		}
	}
	if path == nil && !hasEndpoints(root) {
		return []string{"endpoints", key}, def, nil
	}
	if document.Has(in, key) {
		return append(path, key), def, nil
	}
	// The name of an endpoint that a document has below a URL begins with its method.
	method, url, _ := strings.Cut(key, " ")
	if !strings.Contains(url, "://") || !document.Has(in, url) {
		return append(path, key), def, nil
	}
	entries := document.Child(in, url)
	if entries.Kind == yaml.SequenceNode && len(entries.Content) > 1 {
		return nil, nil, fmt.Errorf("the file has a list of %d entries below %s: edit them there", len(entries.Content), url)
	}
	if o, ok := def.(jsonvalue.Object); ok && method != "GET" {
		def = append(jsonvalue.Object{{Key: "method", Value: method}}, o...)
	}
	return append(path, url), def, nil
}

// hasEndpoints reports whether a map has keys of endpoints.
func hasEndpoints(n *yaml.Node) bool {
	kind, _ := document.KindOf(n)
	return kind == "scenario"
}

// verify reports why a text is not a scenario any more that has the endpoint, or that does
// not have it if it is removed.
func (s *Service) verify(path string, text []byte, key string, removed bool) error {
	env := s.env()
	env.Owned, env.Log = s.configuredFile(path), nil
	found, err := scenario.ParseAs(path, text, env)
	if err != nil {
		return err
	}
	there := slices.ContainsFunc(found.Endpoints, func(ep *mock.Endpoint) bool { return ep.Name == key })
	if there == removed {
		return fmt.Errorf("%s: %s: %w", path, key, document.ErrLayout)
	}
	return nil
}

// settle puts what was saved in force as an endpoint of the file, if that belongs to the
// loaded scenario: the one that was set goes, and its hits stay.
func (s *Service) settle(d *draft, key string) {
	s.mu.Lock()
	l := s.loaded
	ours := l != nil && l.path != "" && slices.ContainsFunc(l.files, func(f string) bool { return sameFile(f, d.File) })
	s.mu.Unlock()
	if !ours {
		return
	}
	s.reload(l)
	s.mu.Lock()
	defer s.unlock()
	if s.loaded != l || l.fault != nil || s.closed {
		return
	}
	if d.Removes && s.layers.gone[key] { // the file does not have it any more
		s.layers.gone = maps.Clone(s.layers.gone)
		delete(s.layers.gone, key)
	}
	i := slices.IndexFunc(s.layers.scenario, func(ep *mock.Endpoint) bool { return ep.Name == key })
	if d.Removes || i < 0 || s.layers.index(key) < 0 || !jsonvalue.Equal(s.layers.scenario[i].Definition, d.def) {
		return
	}
	var past []mock.Report
	for _, r := range s.table.Report() {
		if r.Endpoint.Name == key {
			past = []mock.Report{{Endpoint: s.layers.scenario[i], Hits: r.Hits, Enabled: r.Enabled}}
		}
	}
	s.layers.unset(key)
	s.table.Arrange(s.layers.list(), past...)
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := filepath.EvalSymlinks(a)
	y, errY := filepath.EvalSymlinks(b)
	return errX == nil && errY == nil && x == y
}
