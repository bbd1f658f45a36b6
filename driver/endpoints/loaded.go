package endpoints

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"starproxy/builtins/disk"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

// loaded is the scenario in force. It comes from a file, which is watched for
// changes, or from a text that a client sent.
type loaded struct {
	source string // the Source.Name of its endpoints
	path   string // the file; empty for a text
	owned  bool   // the file was named by the configuration, not by a client
	name   string // of the text
	text   []byte
	sent   time.Time // when the text came

	files []string    // the scenario was read from these files, or may be next time
	print string      // fingerprint of files when they were read
	watch *disk.Watch // nil when no file is watched
	fault error       // why the present content of the files is not in force; nil when it is
	hooks *scenario.Hooks

	adversity scenario.Adversity
}

// read compiles the scenario from its file or text.
func (l *loaded) read(env scenario.Env) (*scenario.Scenario, error) {
	if l.path == "" {
		return scenario.Parse(l.name, l.text, env)
	}
	env.Owned = l.owned
	return scenario.Load(l.path, env)
}

// open reads the scenario and notes its files with their fingerprint. The
// fingerprint is taken before reading, so that an edit during the reading counts as
// a change. When the scenario has other files than expected, it is read once more.
// When open fails, it also notes the files and their fingerprint, so that an edit
// which mends the fault counts as a change.
func (l *loaded) open(env scenario.Env) ([]*mock.Endpoint, error) {
	for again := true; ; again = false {
		l.print = scenario.Fingerprint(l.files)
		s, err := l.read(env)
		if s == nil {
			return nil, err
		}
		if err != nil && len(s.Files) == 0 {
			return nil, err
		}
		same := slices.Equal(l.files, s.Files)
		l.files = s.Files
		if !same && again {
			continue
		}
		if err != nil {
			return nil, err
		}
		l.source, l.hooks, l.adversity = s.Path, s.Hooks, s.Adversity
		return s.Endpoints, nil
	}
}

// stop ends the watching.
func (l *loaded) stop() {
	if l != nil && l.watch != nil {
		l.watch.Close()
		l.watch = nil
	}
}

// replace replaces all endpoints by those of a scenario and returns their number.
// When the scenario cannot be read, nothing changes.
func (s *Service) replace(l *loaded) (int, error) {
	s.mu.Lock()
	defer s.unlock()
	if s.closed {
		return 0, rpc.Refuse(rpc.FailedPrecondition, "the driver is closed")
	}
	eps, err := l.open(s.env())
	if err != nil {
		return 0, err
	}
	s.undoable("the scenario "+cmp.Or(l.path, l.name)+" was loaded", func() bool {
		s.install(layers{scenario: eps}, l)
		return true
	})
	s.State.ResetMachines()
	if s.Anew != nil {
		s.Anew()
	}
	s.Script.Cancel()
	s.retain()
	return len(eps), nil
}

// Load replaces all endpoints by those of a scenario on the exporter: a file or a
// directory, absolute or relative to the directory of scenarios. It returns the
// file and the number of endpoints. The error is a [*PathError] when there is no
// such file.
func (s *Service) Load(name string) (path string, n int, err error) {
	if path, err = s.locate(name); err != nil {
		return "", 0, err
	}
	n, err = s.replace(&loaded{path: path, files: []string{path}})
	return path, n, err
}

// LoadText replaces all endpoints by those of a scenario that a client sent. It
// returns the number of endpoints.
func (s *Service) LoadText(name, text string) (int, error) {
	return s.replace(&loaded{name: name, text: []byte(text), sent: time.Now()})
}

// unload forgets the scenario; its endpoints stay.
func (s *Service) unload() {
	s.loaded.stop()
	s.loaded = nil
	s.hook(nil)
	s.note()
}

// Origin is the scenario that endpoints were loaded from.
type Origin struct {
	// Path is the file, or the name of a text that was sent.
	Path string
	// Fault says why the present content of the file is not in force. It is empty
	// when the content is in force.
	Fault string
}

// Origin returns the origin of the loaded scenario. ok is false when none is
// loaded. Origin does not wait for a scenario that is being loaded.
func (s *Service) Origin() (o Origin, ok bool) {
	if o := s.origin.Load(); o != nil {
		return *o, true
	}
	return Origin{}, false
}

// note updates the value that Origin returns. The caller holds s.mu.
func (s *Service) note() {
	l := s.loaded
	if l == nil {
		if s.origin.Swap(nil) != nil {
			s.tell("no scenario is loaded any more")
		}
		return
	}
	o := &Origin{Path: cmp.Or(l.path, l.name)}
	if l.fault != nil {
		o.Fault = l.fault.Error()
	}
	s.origin.Store(o)
	if o.Fault != "" {
		s.tell("the scenario " + o.Path + " is not in force as it is: " + o.Fault)
	} else {
		s.tell("the scenario " + o.Path + " is in force")
	}
}

// tell tells a change of the scenario.
func (s *Service) tell(text string) {
	if s.Told != nil {
		s.Told(text)
	}
}

// configured loads the scenario that the configuration names. When its file does not
// exist, configured succeeds without endpoints, as the stock driver does. The
// scenario is loaded as soon as the file exists.
func (s *Service) configured() ([]*mock.Endpoint, *loaded, error) {
	path := s.Scenario
	l := &loaded{path: path, owned: true, source: path, files: expected(path)}
	eps, err := l.open(s.env())
	if errors.Is(err, fs.ErrNotExist) {
		l.fault = fmt.Errorf("mock_scenario %s: no such file", path)
		s.Log.Warn("scenario not loaded", "error", l.fault)
		return nil, l, nil
	}
	return eps, l, err
}

// expected guesses the files that a scenario at path is read from. It returns the
// first possible file that exists, or all possible files when none does. If the
// guess is right, [loaded.open] reads the scenario only once.
func expected(path string) []string {
	files := append(scenario.Documents(path), path)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && !info.IsDir() {
			return []string{f}
		}
	}
	return files
}
