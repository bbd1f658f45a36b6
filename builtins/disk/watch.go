package disk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Editors save in several steps: truncate and write, or write another file, rename and
// delete. A change is reported when nothing has happened for settle, but no later than
// patience after its first step.
const (
	settle   = 20 * time.Millisecond
	patience = 250 * time.Millisecond
)

// If the system announces no changes, the files are polled each pollEvery. Two changes can
// have the same file time, so changed is called pollAgain times more.
const (
	pollEvery = time.Second
	pollAgain = 3
)

// Watch reports changes of files, which need not exist yet, and of the links and
// directories on the way to them.
type Watch struct {
	files   []string
	log     *slog.Logger
	changed func()
	cancel  context.CancelFunc

	trail  *trail
	source *fsnotify.Watcher // of the events of trail; nil when there are none
	silent string            // why events may be missing; empty when they are not
	moved  bool              // entries have come or gone since source was opened
}

// NewWatch calls changed from a goroutine of its own: first once, because the files may
// have changed before, then after each change. If the system announces no changes, as on
// network file systems, the files are polled once a second and the log says so.
func NewWatch(files []string, log *slog.Logger, changed func()) *Watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watch{files: files, log: log, changed: changed, cancel: cancel, trail: newTrail(nil)}
	go w.run(ctx)
	return w
}

// Close ends the watch. It does not wait for a running call of changed.
func (w *Watch) Close() { w.cancel() }

func (w *Watch) run(ctx context.Context) {
	defer func() { w.replace(nil) }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	poll.Stop()
	var since time.Time // when the change under way began
	again := 0          // polls that take a change for granted
	touch := func() {
		if since.IsZero() {
			since = time.Now()
		}
		timer.Reset(min(settle, max(0, patience-time.Since(since))))
	}
	for {
		events, faults := w.events()
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-events:
			if ok && w.trail.concerns(ev.Name) {
				w.moved = w.moved || ev.Op&^(fsnotify.Write|fsnotify.Chmod) != 0
				touch()
			}
		case err, ok := <-faults:
			if ok {
				w.log.Warn("watching files for changes", "error", err)
				w.moved = true // events may have been lost
				touch()
			}
		case <-poll.C:
			switch differs := w.differs(); {
			case differs:
				again = pollAgain
				touch()
			case again > 0:
				again--
				touch()
			}
		case <-timer.C:
			since = time.Time{}
			w.refollow(poll)
			if ctx.Err() != nil {
				return
			}
			w.changed()
		}
	}
}

// refollow follows the files anew, and polls from now on if the system announces
// no changes.
func (w *Watch) refollow(poll *time.Ticker) {
	was := w.silent
	if !w.follow() || (was == "") == (w.silent == "") {
		return
	}
	poll.Reset(pollEvery)
	if w.silent == "" {
		poll.Stop()
	}
}

// events returns the channels of the source.
func (w *Watch) events() (<-chan fsnotify.Event, <-chan error) {
	if w.source == nil {
		return nil, nil
	}
	return w.source.Events, w.source.Errors
}

// replace replaces the source of events.
func (w *Watch) replace(source *fsnotify.Watcher) {
	if w.source != nil {
		w.source.Close()
	}
	w.source = source
}

// differs reports whether the trail has changed since it was read last.
func (w *Watch) differs() bool {
	now := newTrail(w.files)
	now.refresh()
	return !now.equal(w.trail)
}

// follow reads the trail again and reports whether it needs another source of events. A new
// directory can have the inode number of a removed one, so comparing the numbers is not
// enough.
func (w *Watch) follow() bool {
	now := newTrail(w.files)
	if w.source != nil && !w.moved && sameWatched(now.watched(), w.trail.watched()) {
		w.trail = now
		return false
	}
	w.moved = false
	const attempts = 5 // changes meanwhile come as events in the end
	silent := ""
	for range attempts {
		var source *fsnotify.Watcher
		source, silent = listen(now.watched())
		w.replace(source)
		before := now
		now = newTrail(w.files)
		if sameWatched(now.watched(), before.watched()) {
			break
		}
	}
	w.trail = now
	if silent != w.silent && silent != "" {
		w.log.Warn("files are polled once a second: not all of their changes are announced", "reason", silent)
	}
	w.silent = silent
	return true
}

// listen opens a source for the events of steps. It returns the reason why some may be
// missing. A source is never changed: after a rename of a directory, it would confuse the
// old and the new directory of that name.
func listen(steps []step) (source *fsnotify.Watcher, silent string) {
	source, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, limited(err).Error()
	}
	for _, s := range steps {
		if name := remote(s.path); name != "" && silent == "" {
			silent = fmt.Sprintf("%s is on a file system that does not announce all changes (%s)", s.path, name)
		}
		if err := source.Add(s.path); err != nil && silent == "" {
			silent = fmt.Sprintf("%s: %v", s.path, limited(err))
		}
	}
	return source, silent
}

// limited returns the text for an error of the system. If the system's own text hides the
// limit that was reached, it names that limit.
func limited(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return errors.New("the limit of watches is reached (fs.inotify.max_user_watches)")
	case errors.Is(err, syscall.EMFILE):
		return errors.New("the limit of watches or of open files is reached (fs.inotify.max_user_instances)")
	}
	return err
}
