package driver

import (
	"context"
	"log/slog"
	"slices"

	"starproxy/builtins/disk"
	"starproxy/driver/scenario"
)

// follow begins to watch the files of a scenario.
func (m *mocks) follow(l *loaded) {
	if l == nil || len(l.files) == 0 {
		return
	}
	l.watch = disk.NewWatch(l.files, m.log, func() { m.reload(l) })
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
	watched := l.files
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
		m.layers.scenario = eps
		m.table.Arrange(m.layers.list())
		m.hook(l)
		m.tell()
		m.log.Log(context.Background(), level, "scenario reloaded", "path", l.path, "endpoints", len(eps))
	}
	if !slices.Equal(watched, l.files) {
		l.stop()
		m.follow(l)
	}
	m.retain()
}

// followAddons watches what the addons in use were read from. They reload alone,
// each when its own files change.
func (m *mocks) followAddons() {
	files := m.addons.Files()
	if slices.Equal(files, m.watched) {
		return
	}
	if m.watch != nil {
		m.watch.Close()
	}
	m.watch, m.watched = nil, files
	if len(files) > 0 {
		m.watch = disk.NewWatch(files, m.log, m.reloadAddons)
	}
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
