package driver

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"starproxy/driver/mock"
	"starproxy/driver/scenario"
)

// Editors save in several steps: truncate and write, or write aside, rename
// and delete. A change is looked at when nothing has happened for settle, but
// no later than patience after it began.
const (
	settle   = 20 * time.Millisecond
	patience = 250 * time.Millisecond
)

// watch tells when something happens to files, or where they would be.
type watch struct{ fs *fsnotify.Watcher }

// newWatch calls changed from a goroutine of its own: once soon, for what
// happened before it began, then after each change.
func newWatch(files []string, log *slog.Logger, changed func()) (*watch, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	if err := observe(w, files); err != nil {
		w.Close()
		return nil, err
	}
	go func() {
		timer := time.NewTimer(0)
		defer timer.Stop()
		var since time.Time // when the change under way began
		for {
			select {
			case ev, ok := <-w.Events:
				if !ok {
					return
				}
				if !concerns(ev.Name, files) {
					continue
				}
				if since.IsZero() {
					since = time.Now()
				}
				timer.Reset(min(settle, max(0, patience-time.Since(since))))
			case err, ok := <-w.Errors:
				if !ok {
					return
				}
				log.Warn("watching scenario files", "error", err)
				timer.Reset(settle) // events may have been lost
			case <-timer.C:
				since = time.Time{}
				switch err := observe(w, files); { // directories come and go
				case errors.Is(err, fsnotify.ErrClosed):
					return
				case err != nil:
					log.Warn("watching scenario files", "error", err)
				}
				changed()
			}
		}
	}()
	return &watch{w}, nil
}

// observe watches the directory of each file, of what a link leads to, and the
// one above, in which a directory that is replaced comes back. Where one is
// missing the next above it is watched.
func observe(w *fsnotify.Watcher, files []string) error {
	for _, f := range files {
		paths := []string{f}
		if real, err := filepath.EvalSymlinks(f); err == nil && real != f {
			paths = append(paths, real)
		}
		for _, p := range paths {
			dir := filepath.Dir(p)
			err := w.Add(dir)
			for err != nil && dir != filepath.Dir(dir) {
				dir = filepath.Dir(dir)
				err = w.Add(dir)
			}
			if err != nil {
				return err
			}
			if above := filepath.Dir(dir); above != dir {
				w.Add(above) // where we may not, we do without
			}
		}
	}
	return nil
}

// concerns tells whether what happened to name can change one of the files:
// something in its directory, which may be what it links to, or a directory above.
func concerns(name string, files []string) bool {
	return slices.ContainsFunc(files, func(f string) bool {
		if filepath.Dir(name) == filepath.Dir(f) || strings.HasPrefix(f, name+string(filepath.Separator)) {
			return true
		}
		real, err := filepath.EvalSymlinks(f)
		return err == nil && filepath.Dir(name) == filepath.Dir(real)
	})
}

// close ends the watch without waiting for a call that is under way.
func (w *watch) close() { w.fs.Close() }

// follow begins to watch the files of a scenario. Without a watch it stays as
// it was loaded.
func (m *mocks) follow(l *loaded) {
	if l == nil || len(l.files) == 0 {
		return
	}
	w, err := newWatch(l.files, m.log, func() { m.reload(l) })
	if err != nil {
		m.log.Warn("scenario files are not watched for changes", "error", err)
		return
	}
	l.watch = w
}

// reload puts a changed scenario in force, in one step, or, when it is broken,
// keeps the old one and says so.
func (m *mocks) reload(l *loaded) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loaded != l || m.closed {
		return
	}
	if scenario.Fingerprint(l.files) == l.print {
		return
	}
	watched, source := l.files, l.source
	eps, err := l.open(m.env())
	if err != nil {
		l.fault = err
		m.tell()
		m.log.Error("scenario not reloaded; the old one stays", scenario.Describe(err)...)
	} else {
		level := slog.LevelInfo
		if l.fault != nil { // who saw it broken should see it whole
			level = slog.LevelWarn
		}
		l.fault = nil
		m.table.ReplaceSource(mock.Source{Name: source}, m.beneath(eps, source))
		m.hook(l)
		m.tell()
		m.log.Log(context.Background(), level, "scenario reloaded", "path", l.path, "endpoints", len(eps))
	}
	if !slices.Equal(watched, l.files) {
		l.stop()
		m.follow(l)
	}
	m.addons.Retain(m.table.List())
	m.followAddons()
}

// followAddons watches what the addons in use were read from. They reload alone,
// each when its own files change.
func (m *mocks) followAddons() {
	files := m.addons.Files()
	if slices.Equal(files, m.watched) {
		return
	}
	if m.watch != nil {
		m.watch.close()
	}
	m.watch, m.watched = nil, files
	w, err := newWatch(files, m.log, m.reloadAddons)
	if err != nil {
		m.log.Warn("addons are not watched for changes", "error", err)
		return
	}
	m.watch = w
}

func (m *mocks) reloadAddons() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.addons.Reload()
	m.followAddons()
}

// beneath leaves out the endpoints that something else has taken the place of:
// what a test set, or the configuration, stays in force over a reload.
func (m *mocks) beneath(eps []*mock.Endpoint, source string) []*mock.Endpoint {
	var over []*mock.Endpoint
	for _, ep := range m.table.List() {
		if ep.Source.Name != source {
			over = append(over, ep)
		}
	}
	return slices.DeleteFunc(slices.Clone(eps), func(ep *mock.Endpoint) bool {
		return slices.ContainsFunc(over, func(o *mock.Endpoint) bool { return o.Name == ep.Name || shadows(o, ep) })
	})
}
