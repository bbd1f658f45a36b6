package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/compare"
	"starproxy/driver/flow"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// isScenario reports whether the path of a session is that of a scenario: a directory, a
// script, or a document with endpoints.
func isScenario(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case info.IsDir(), ext == script.Ext, ext == ".yaml", ext == ".yml":
		return true
	case ext == ".json":
		return isScriptOrScenario(path)
	}
	return false
}

// expectations returns the requests that a scenario expects, those of its endpoints.
func expectations(path string) ([]compare.Expectation, error) {
	h := script.New(scriptOptions())
	defer h.Close()
	dir := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		dir = filepath.Dir(path)
	}
	env := scriptDirs{}.env(dir)
	env.Script = h
	s, err := scenario.Load(path, env)
	if err != nil {
		return nil, err
	}
	var list []compare.Expectation
	for _, e := range s.Endpoints {
		if err := e.Match.Compile(); err != nil {
			return nil, err
		}
		list = append(list, compare.Expectation{Name: e.Name, Fits: func(f *flow.Flow) bool { return fits(&e.Match, f) }})
	}
	return list, nil
}

// fits reports whether an endpoint answers the request of a flow. A body that is not
// there is empty.
func fits(m *mock.Match, f *flow.Flow) bool {
	r := &f.Request
	body, err := capture.OpenBody(r.Body.Blob)
	if err != nil {
		body = io.NopCloser(bytes.NewReader(nil))
	}
	defer body.Close()
	_, ok := m.Matches(&exchange.Request{
		Method: r.Method, Scheme: r.Scheme, Host: r.Host, Port: r.Port, Target: r.Path, Proto: r.Proto, Authority: r.Authority,
		Header: r.Header, Body: exchange.NewIncoming(body, nil),
	})
	return ok
}
