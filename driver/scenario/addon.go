package scenario

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.starlark.net/starlark"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/mock"
	"starproxy/script"
)

// ErrNoAddon is the error for an addon without a script, for errors.Is.
//
//lint:ignore ST1005 the stock driver's words
var ErrNoAddon = errors.New("Addon not found")

// Addons has the addon scripts in use. A script is loaded once, when an endpoint
// first needs it, and all endpoints share it. So its cells keep their values when the
// endpoints change. Any number of goroutines may call the methods.
type Addons struct {
	host *script.Host
	log  *slog.Logger

	mu     sync.Mutex
	all    map[string]*addon // by the path of the script
	faults atomic.Pointer[map[string]string]
}

// NewAddons makes an empty set; log may be nil.
func NewAddons(host *script.Host, log *slog.Logger) *Addons {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Addons{host: host, log: log, all: map[string]*addon{}}
}

// addon is one script.
type addon struct {
	name, dir, path string
	now             atomic.Pointer[addonCode] // nil before the first load

	// Under Addons.mu:
	files []string
	print string // of files, as they were last read
	fault error  // the error of the present files, nil if they are in force
}

// addonCode has the functions of one version of an addon. A function that the script
// does not define is nil.
type addonCode struct{ handle, websocket starlark.Callable }

// Check loads the addon of that name, or reloads it if its files have changed. The
// error is an [ErrNoAddon] or the fault of the script. After an error, the version
// that was loaded before stays in force.
func (a *Addons) Check(dir, name string) error {
	_, err := a.get(dir, name, false)
	return err
}

// Retain drops the addons that none of the endpoints names. If a script answers for
// an endpoint, all addons are kept, because the script may name any of them.
func (a *Addons) Retain(eps []*mock.Endpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.tell()
	if len(a.all) == 0 {
		return
	}
	used := map[string]bool{}
	for _, ep := range eps {
		if isScripted(ep) {
			return
		}
		addonNames(ep.Definition, used)
	}
	maps.DeleteFunc(a.all, func(_ string, ad *addon) bool { return !used[ad.name] })
}

// addonNames collects the addons that a definition names, also in its rules and
// steps.
func addonNames(v any, into map[string]bool) {
	switch v := v.(type) {
	case jsonvalue.Object:
		for _, m := range v {
			if name, ok := m.Value.(string); ok && m.Key == "addon" {
				into[name] = true
			}
			addonNames(m.Value, into)
		}
	case []any:
		for _, e := range v {
			addonNames(e, into)
		}
	}
}

// get returns the addon with the present content of its files. If the first
// load of an addon fails, the addon is kept only if its script is missing and missing
// is true. Then it is loaded as soon as the script exists.
func (a *Addons) get(dir, name string, missing bool) (*addon, error) {
	if !filepath.IsLocal(name) || name != filepath.Clean(name) {
		return nil, fmt.Errorf("the name %q leads out of the addons directory", name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	path := filepath.Join(dir, name+script.Ext)
	ad := a.all[path]
	fresh := ad == nil
	if fresh {
		ad = &addon{name: name, dir: dir, path: path}
		a.all[path] = ad
	}
	if ad.print == "" || Fingerprint(ad.files) != ad.print {
		a.load(ad)
		if fresh && ad.now.Load() == nil && !(missing && errors.Is(ad.fault, ErrNoAddon)) {
			delete(a.all, path)
		}
		a.tell()
	}
	return ad, ad.fault
}

// load reads the addon again. If that fails, the version in force stays.
func (a *Addons) load(ad *addon) {
	if ad.files == nil {
		ad.files = []string{ad.path}
	}
	for again := true; ; again = false {
		// The fingerprint is taken before reading, so that an edit during the
		// reading counts as a change.
		ad.print = Fingerprint(ad.files)
		s, err := a.host.Load(ad.dir, filepath.ToSlash(ad.name)+script.Ext)
		same := slices.Equal(ad.files, s.Files)
		ad.files = s.Files
		if !same && again {
			continue
		}
		if err != nil {
			ad.fault = ad.explain(err)
			return
		}
		code, err := newAddonCode(s)
		if ad.fault = err; err == nil {
			ad.now.Store(code)
		}
		return
	}
}

// explain adds advice to the error of a script that can't be read.
func (ad *addon) explain(err error) error {
	if _, missing := os.Stat(ad.path); !errors.Is(missing, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(strings.TrimSuffix(ad.path, script.Ext) + ".py"); err == nil {
		return fmt.Errorf("%s.py is Python, but addons are Starlark scripts (%[1]s.star): see docs/porting.md", ad.name)
	}
	return fmt.Errorf("%w: %s", ErrNoAddon, ad.name)
}

// newAddonCode returns the functions of a script.
func newAddonCode(s *script.Script) (*addonCode, error) {
	code := &addonCode{}
	for _, f := range []struct {
		name, what string
		to         *starlark.Callable
	}{{"handle", "the request and the config", &code.handle}, {"websocket", "the socket and the config", &code.websocket}} {
		v := s.Globals[f.name]
		if v == nil {
			continue
		}
		fn, ok := v.(starlark.Callable)
		if !ok {
			return nil, fmt.Errorf("%s: %s: got %s, want a function", s.File, f.name, v.Type())
		}
		if err := takes(fn, 2, f.what); err != nil {
			at := script.Position{File: s.File}
			if fn, ok := fn.(*starlark.Function); ok {
				p := fn.Position()
				at = script.Position{File: p.Filename(), Line: int(p.Line), Column: int(p.Col)}
			}
			return nil, &script.Error{Pos: at, Message: err.Error(), Err: err}
		}
		*f.to = fn
	}
	if code.handle == nil && code.websocket == nil {
		return nil, fmt.Errorf("%s: no function handle(req, config) and none websocket(ws, config)", s.File)
	}
	return code, nil
}

// Files returns the files of the addons, for a watcher.
func (a *Addons) Files() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var files []string
	for _, path := range slices.Sorted(maps.Keys(a.all)) {
		files = append(files, a.all[path].files...)
	}
	return files
}

// Reload reads the addons again whose files have changed. If the new version of an
// addon is faulty, the old one stays in force.
func (a *Addons) Reload() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ad := range a.all {
		if Fingerprint(ad.files) == ad.print {
			continue
		}
		level := slog.LevelInfo
		if ad.fault != nil { // who saw it broken should see it whole
			level = slog.LevelWarn
		}
		a.load(ad)
		a.tell()
		switch {
		case ad.fault == nil:
			a.log.Log(context.Background(), level, "addon reloaded", "addon", ad.name, "path", ad.path)
		case ad.now.Load() != nil:
			a.log.Error("addon not reloaded; the old one stays", append([]any{"addon", ad.name}, Describe(ad.fault)...)...)
		default:
			a.log.Error("addon not loaded", append([]any{"addon", ad.name}, Describe(ad.fault)...)...)
		}
	}
}

// Faults returns the addons whose present files are not in force, with the reasons.
// It does not wait for an addon that is being loaded.
func (a *Addons) Faults() map[string]string {
	if faults := a.faults.Load(); faults != nil {
		return *faults
	}
	return map[string]string{}
}

// tell updates the map that Faults returns. The caller holds mu.
func (a *Addons) tell() {
	faults := map[string]string{}
	for _, ad := range a.all {
		if ad.fault != nil {
			faults[ad.name] = ad.fault.Error()
		}
	}
	a.faults.Store(&faults)
}
