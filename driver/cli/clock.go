package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"starproxy/builtins/clock"
)

// clockCommands is the grammar of "clock".
type clockCommands struct {
	Show    clockShowCmd    `cmd:"" default:"1" help:"Show the time that scripts, mocks and certificates have (the default)."`
	Set     clockSetCmd     `cmd:"" help:"Turn the clock to a time."`
	Advance clockAdvanceCmd `cmd:"" help:"Move the clock forward."`
	Reset   clockResetCmd   `cmd:"" help:"Let the clock show the time of the system again."`
}

type clockShowCmd struct {
	output
}

// Help explains the line.
func (clockShowCmd) Help() string {
	return `The time, and how far the clock was turned.

    2030-01-01T12:00:00Z  (frozen, 27456h0m0s ahead)`
}

// Run prints the time.
func (c *clockShowCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var raw json.RawMessage
	if err := p.document(ctx, &raw, "get_clock"); err != nil {
		return err
	}
	if c.json() {
		_, err := fmt.Fprintf(sys.Stdout, "%s\n", raw)
		return err
	}
	var r struct {
		Now    time.Time `json:"now"`
		Turned bool      `json:"turned"`
		Frozen bool      `json:"frozen"`
		Offset float64   `json:"offset_seconds"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	line := r.Now.Format(time.RFC3339)
	if r.Turned {
		offset, side := time.Duration(r.Offset)*time.Second, "ahead"
		if offset < 0 {
			offset, side = -offset, "behind"
		}
		how := offset.String() + " " + side
		if r.Frozen {
			how = "frozen, " + how
		}
		line += "  (" + how + ")"
	}
	_, err := fmt.Fprintln(sys.Stdout, line)
	return err
}

type clockSetCmd struct {
	Time   string `arg:"" help:"Time in RFC 3339, or a duration from now such as +36h or -2d."`
	Frozen bool   `name:"frozen" help:"Let the clock stand still until it is turned again."`
}

// Help tells what follows the clock.
func (clockSetCmd) Help() string {
	return `now_iso, time.now() and timed sequences follow the clock, and so do functions of later(), webhooks with a delay, planned faults, outages of networks, the Date of mocks, and the dates of certificates. Timeouts, delays and the pace of bytes do not.

Examples:

    j proxy clock set 2030-12-31T23:59:50Z
    j proxy clock set --frozen +36h
    j proxy clock set -- -196d           # certificates expire tomorrow`
}

// Run turns the clock.
func (c *clockSetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "set_clock", c.Time, c.Frozen)
}

type clockAdvanceCmd struct {
	By string `arg:"" help:"Duration, such as 90s, 10m, 24h or 2d."`
}

// Help explains the effect.
func (clockAdvanceCmd) Help() string {
	return `What is due on the way happens at once: a step of a sequence, a function of later(), a webhook.`
}

// Run moves the clock.
func (c *clockAdvanceCmd) Run(ctx context.Context, sys *System, p proxy) error {
	by, err := clock.ParseDuration(c.By)
	if err != nil {
		return fmt.Errorf("got %q, want a duration such as 90s, 10m, 24h or 2d", c.By)
	}
	return p.say(ctx, sys, "advance_clock", by.Seconds())
}

type clockResetCmd struct{}

// Run lets the clock show the time of the system.
func (c *clockResetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "reset_clock")
}
