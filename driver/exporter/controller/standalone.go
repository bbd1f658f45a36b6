package controller

import (
	"context"

	"starproxy/driver"
	"starproxy/driver/exporter"
)

// standaloneLease is the name of the lease of a session that clients reach
// directly.
const standaloneLease = "standalone"

// Standalone runs the hooks of a session that clients reach without a
// controller: beforeLease when it begins, afterLease when it ends. A HookError
// is a hook that is to end the lease or the exporter, which is the same here. A
// hook that its context ends is none.
type Standalone struct{ hooks *hooks }

// NewStandalone makes the status of the session that of the beforeLease hook, if
// there is one.
func NewStandalone(s Session, c *exporter.Config) (*Standalone, error) {
	h, err := newHooks(s, c, driver.Lease{Name: standaloneLease})
	if err == nil && h.has(beforeLease) {
		s.SetStatus(statusBefore, "Running beforeLease hook")
	}
	return &Standalone{h}, err
}

// Begin runs the beforeLease hook. Clients are welcome when it returns nil.
func (s *Standalone) Begin(ctx context.Context) error {
	if !s.hooks.has(beforeLease) {
		return nil
	}
	switch f := s.hooks.run(ctx, beforeLease); {
	case f == nil || ctx.Err() != nil:
		s.hooks.session.SetStatus(statusReady, textReady)
	case f.goesOn():
		s.hooks.session.SetStatus(statusReady, f.warning())
	default:
		s.hooks.session.SetStatus(statusBeforeFailed, f.text())
		return &HookError{Name: string(f.name), Err: f.err}
	}
	return nil
}

// End runs the afterLease hook.
func (s *Standalone) End(ctx context.Context) error {
	if !s.hooks.has(afterLease) {
		return nil
	}
	s.hooks.session.SetStatus(statusAfter, "Running afterLease hooks")
	f := s.hooks.run(ctx, afterLease)
	if f == nil || f.goesOn() || ctx.Err() != nil {
		return nil
	}
	s.hooks.session.SetStatus(statusAfterFailed, f.text())
	return &HookError{Name: string(f.name), Err: f.err}
}
