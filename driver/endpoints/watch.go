package endpoints

import (
	"context"
	"log/slog"
	"slices"

	"starproxy/builtins/disk"
	"starproxy/driver/scenario"
)

// follow begins to watch the files of a scenario.
func (s *Service) follow(l *loaded) {
	if l == nil || len(l.files) == 0 {
		return
	}
	l.watch = disk.NewWatch(l.files, s.Log, func() { s.reload(l) })
}

// reload puts a changed scenario in force in one step. When it has a mistake, the old
// one stays, and the mistake is logged.
func (s *Service) reload(l *loaded) {
	s.mu.Lock()
	defer s.unlock()
	if s.loaded != l || s.closed {
		return
	}
	if scenario.Fingerprint(l.files) == l.print {
		return
	}
	watched := l.files
	eps, err := l.open(s.env())
	if err != nil {
		l.fault = err
		s.note()
		s.Log.Error("scenario not reloaded; the old one stays", scenario.Describe(err)...)
	} else {
		level := slog.LevelInfo
		if l.fault != nil { // the warning about the mistake is answered at the same level
			level = slog.LevelWarn
		}
		l.fault = nil
		s.layers.scenario = eps
		s.table.Arrange(s.layers.list())
		s.hook(l)
		s.note()
		s.Log.Log(context.Background(), level, "scenario reloaded", "path", l.path, "endpoints", len(eps))
	}
	if !slices.Equal(watched, l.files) {
		l.stop()
		s.follow(l)
	}
	s.retain()
}

// followAddons watches the files of the addons in use. Each addon is reloaded when its
// own files change.
func (s *Service) followAddons() {
	files := s.addons.Files()
	if slices.Equal(files, s.watched) {
		return
	}
	if s.watch != nil {
		s.watch.Close()
	}
	s.watch, s.watched = nil, files
	if len(files) > 0 {
		s.watch = disk.NewWatch(files, s.Log, s.reloadAddons)
	}
}

func (s *Service) reloadAddons() {
	s.mu.Lock()
	defer s.unlock()
	if s.closed {
		return
	}
	s.addons.Reload()
	s.followAddons()
}
