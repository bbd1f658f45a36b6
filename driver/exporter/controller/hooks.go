package controller

import (
	"context"
	"fmt"
	"strings"

	"starproxy/driver"
	"starproxy/driver/exporter"
	"starproxy/driver/exporter/hook"
	"starproxy/driver/pb"
)

// hookName is the key of a hook in the exporter file.
type hookName string

const (
	beforeLease hookName = "beforeLease"
	afterLease  hookName = "afterLease"
)

// hooks are the hooks of one session.
type hooks struct {
	session Session
	config  *exporter.Config
	lease   driver.Lease
	socket  string // for their j; empty without hooks
}

// newHooks serves the session on a socket of its own for hooks, if there are any.
func newHooks(s Session, c *exporter.Config, l driver.Lease) (*hooks, error) {
	h := &hooks{session: s, config: c, lease: l}
	var err error
	if h.has(beforeLease) || h.has(afterLease) {
		h.socket, err = s.ServeUnix("")
	}
	return h, err
}

func (h *hooks) get(name hookName) *hook.Hook {
	if name == beforeLease {
		return h.config.Hooks.BeforeLease
	}
	return h.config.Hooks.AfterLease
}

func (h *hooks) has(name hookName) bool { return h.get(name) != nil }

// run runs a hook, whose output becomes the log of the session, and returns how
// it failed; nil for success.
func (h *hooks) run(ctx context.Context, name hookName) *hookFailure {
	source := pb.LogSource_LOG_SOURCE_AFTER_LEASE_HOOK
	if name == beforeLease {
		source = pb.LogSource_LOG_SOURCE_BEFORE_LEASE_HOOK
	}
	log := h.session.Logger(source)
	env := hook.Env{Host: h.socket, Lease: h.lease.Name, Client: h.lease.Client, MOTD: name == beforeLease}
	spec := h.get(name)
	motd, err := hook.Run(ctx, *spec, env, func(line string) { log.Info(line) })
	if motd != "" {
		h.session.SetMOTD(strings.TrimSpace(h.config.MOTD + "\n" + motd))
	}
	if err == nil {
		return nil
	}
	f := &hookFailure{name: name, onFailure: spec.OnFailure, err: err}
	if f.goesOn() {
		log.Warn(f.warning())
	} else {
		log.Error(f.text())
	}
	return f
}

// hookFailure is a hook that failed, and what the exporter file wants then.
type hookFailure struct {
	name      hookName
	onFailure string
	err       error
}

// goesOn reports whether the failure is only to be told.
func (f *hookFailure) goesOn() bool { return f.onFailure != "endLease" && f.onFailure != "exit" }

// warning begins with what makes clients show it as one.
func (f *hookFailure) warning() string {
	return fmt.Sprintf("[HOOK_WARNING] %s hook warning: %v", f.name, f.err)
}

func (f *hookFailure) text() string {
	return fmt.Sprintf("%s hook failed (on_failure=%s): %v", f.name, f.onFailure, f.err)
}
