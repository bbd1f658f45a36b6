package disk

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Editors save in several steps: truncate and write, or write aside, rename
// and delete. A change is looked at when nothing has happened for settle, but
// no later than patience after it began.
const (
	settle   = 20 * time.Millisecond
	patience = 250 * time.Millisecond
)

// Watch tells when something happens to files, or where they would be.
type Watch struct{ fs *fsnotify.Watcher }

// NewWatch calls changed from a goroutine of its own: once soon, for what
// happened before it began, then after each change. The log hears when changes
// may be missed.
func NewWatch(files []string, log *slog.Logger, changed func()) (*Watch, error) {
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
				log.Warn("watching files for changes", "error", err)
				timer.Reset(settle) // events may have been lost
			case <-timer.C:
				since = time.Time{}
				switch err := observe(w, files); { // directories come and go
				case errors.Is(err, fsnotify.ErrClosed):
					return
				case err != nil:
					log.Warn("watching files for changes", "error", err)
				}
				changed()
			}
		}
	}()
	return &Watch{w}, nil
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

// Close ends the watch without waiting for a call that is under way.
func (w *Watch) Close() { w.fs.Close() }
