package controller

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starproxy/driver/exporter"
)

// fault is the meaning of an error of the controller, which says Unknown for
// most: only its texts tell what a pause may heal.
type fault int

const (
	// faultOther may pass by itself.
	faultOther fault = iota
	// faultLost is a controller that does not answer.
	faultLost
	// faultNotReady is a controller that has just started.
	faultNotReady
	// faultEnded is a stream that ended as streams do now and then.
	faultEnded
	// faultRefused is a token that the controller does not take.
	faultRefused
	// faultExpired is a token whose time is over.
	faultExpired
	// faultMissing is an exporter that the controller does not know.
	faultMissing
)

// faultOf finds out what an error of a call to the controller means.
func faultOf(err error) fault {
	if errors.Is(err, io.EOF) {
		return faultEnded
	}
	text := status.Convert(err).Message()
	has := func(parts ...string) bool {
		for _, p := range parts {
			if !strings.Contains(text, p) {
				return false
			}
		}
		return true
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return faultLost
	case codes.PermissionDenied, codes.Unauthenticated:
		return faultRefused
	case codes.InvalidArgument:
		if has("object kind mismatch") || has("authorization header") || has("metadata") || has("authentication") {
			return faultRefused
		}
	case codes.Unknown:
		switch {
		case has("authenticator not initialized"):
			return faultNotReady
		case has("watch channel closed"), has("last seen time mismatch"):
			return faultEnded
		case has("token is expired"):
			return faultExpired
		case has("failed to authenticate token"), has("verify token"):
			return faultRefused
		case has("exporters.jumpstarter.dev", "not found"):
			return faultMissing
		}
	}
	return faultOther
}

// refusal reports whether the controller will go on to say so until somebody
// does something about it.
func (f fault) refusal() bool {
	return f == faultRefused || f == faultExpired || f == faultMissing
}

// advice returns what has happened and what to do about it, in one line.
func (f fault) advice(c *exporter.Config, err error) string {
	name := identity(c)
	said := status.Convert(err).Message()
	newToken := fmt.Sprintf("put the one of the secret %s-exporter, key token, into %s, which is watched", c.Metadata.Name, c.Path)
	switch f {
	case faultLost:
		return fmt.Sprintf("the controller at %s can't be reached: %s; trying again until it answers", c.Endpoint, said)
	case faultNotReady:
		return fmt.Sprintf("the controller at %s is not ready: %s; trying again until it is", c.Endpoint, said)
	case faultExpired:
		when := ""
		if at, ok := tokenExpiry(c.Token); ok {
			when = " at " + at.Format(time.RFC3339)
		}
		return fmt.Sprintf("the token of exporter %s expired%s: %s", name, when, newToken)
	case faultRefused:
		return fmt.Sprintf("the controller at %s refuses the token of exporter %s: %s; an exporter that was deleted and created "+
			"again has another token: %s", c.Endpoint, name, said, newToken)
	case faultMissing:
		return fmt.Sprintf("the controller at %s does not know exporter %s: create it (jmp admin create exporter %s -n %s) and %s",
			c.Endpoint, name, c.Metadata.Name, c.Metadata.Namespace, newToken)
	}
	return fmt.Sprintf("the controller at %s answers with an error: %s; trying again until it works", c.Endpoint, said)
}

// outage logs once that the controller can't be used, and again when the reason is
// another one, and once when it can. It belongs to the goroutine that registers.
type outage struct {
	runner *runner
	on     bool
	reason fault
	since  time.Time
}

// begin logs an error.
func (o *outage) begin(c *exporter.Config, f fault, err error) {
	if o.on && o.reason == f {
		return
	}
	if !o.on {
		o.since = time.Now()
	}
	o.on, o.reason = true, f
	text := f.advice(c, err)
	level := slog.LevelWarn
	if f.refusal() {
		level = slog.LevelError
	}
	o.runner.tell(level, text, text)
	emit(o.runner, o.runner.options.Events.Lost, text)
}

// end logs that the controller is back, if it was away.
func (o *outage) end(c *exporter.Config) {
	if !o.on {
		return
	}
	o.on = false
	o.runner.tell(slog.LevelWarn, fmt.Sprintf("the controller at %s accepts exporter %s again, after %v", c.Endpoint, identity(c),
		time.Since(o.since).Round(time.Millisecond)), "")
}
