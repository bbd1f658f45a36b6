package driver

import (
	"context"
	"log/slog"
	"slices"

	"starproxy/builtins/disk"
	"starproxy/driver/mock"
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

// beneath leaves out the endpoints that something else has taken the place of:
// what a test set, or the configuration, stays in force over a reload.
func (m *mocks) beneath(eps []*mock.Endpoint, source string) []*mock.Endpoint {
	over := m.table.Find(func(ep *mock.Endpoint) bool { return ep.Source.Name != source })
	names := make(map[string]bool, len(over))
	for _, o := range over {
		names[o.Name] = true
	}
	hidden := shadowed(over)
	return slices.DeleteFunc(slices.Clone(eps), func(ep *mock.Endpoint) bool { return names[ep.Name] || hidden(ep) })
}
