package controller

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	"starproxy/builtins/disk"
	"starproxy/builtins/follow"
	"starproxy/driver/exporter"
)

// source is the exporter file as it was read last.
type source struct {
	mu      sync.Mutex
	config  *exporter.Config
	changed follow.Signal
}

func newSource(c *exporter.Config) *source { return &source{config: c} }

// get returns the configuration and a channel that is closed when there is
// another one.
func (s *source) get() (*exporter.Config, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config, s.changed.Changed()
}

// dialing returns how servers are dialled now.
func (s *source) dialing() (*dialing, error) {
	config, _ := s.get()
	return newDialing(config)
}

// follow takes up the changes of the file. A file that is broken is reported,
// and the old configuration stays.
func (s *source) follow(log *slog.Logger, load func() (*exporter.Config, error)) *disk.Watch {
	config, _ := s.get()
	var said string // of a broken file, once
	return disk.NewWatch([]string{config.Path}, log, func() {
		next, err := load()
		if err == nil {
			err = usable(next)
		}
		if err != nil {
			if text := err.Error(); text != said {
				said = text
				log.Error("exporter file not reloaded; the old one stays", "error", err)
			}
			return
		}
		level := slog.LevelInfo
		if said != "" { // who saw it broken should see it whole
			level = slog.LevelWarn
		}
		if s.replace(next) || said != "" {
			log.Log(context.Background(), level, "exporter file reloaded", "file", next.Path)
		}
		said = ""
	})
}

// replace reports whether next differs from what there was.
func (s *source) replace(next *exporter.Config) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reflect.DeepEqual(s.config, next) {
		return false
	}
	s.config = next
	s.changed.Notify()
	return true
}

// usable finds what makes a file impossible for this mode.
func usable(c *exporter.Config) error {
	switch {
	case c.Endpoint == "":
		return fmt.Errorf("%s: endpoint: got nothing, want host:port of the controller", c.Path)
	case c.Token == "":
		return fmt.Errorf("%s: token: got nothing, want the token of exporter %s", c.Path, identity(c))
	case c.Metadata.Name == "" || c.Metadata.Namespace == "":
		return fmt.Errorf("%s: metadata: got namespace %q and name %q, want both", c.Path, c.Metadata.Namespace, c.Metadata.Name)
	}
	_, err := newDialing(c)
	return err
}

// access is the part of a configuration that a connection is made from.
type access struct {
	endpoint, token string
	tls             exporter.TLS
	metadata        exporter.Metadata
	grpc            map[string]any
}

func accessOf(c *exporter.Config) access {
	return access{c.Endpoint, c.Token, c.TLS, c.Metadata, c.GRPCOptions}
}

// sameAccess reports whether the connection of a serves b.
func sameAccess(a, b *exporter.Config) bool { return reflect.DeepEqual(accessOf(a), accessOf(b)) }
