package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"starproxy/driver/hold"
)

type interceptCmd struct {
	Expr    string        `arg:"" optional:"" help:"Filter expression, such as '~m POST & ~u login'; '~all' is every exchange."`
	Side    string        `default:"request" placeholder:"SIDE" help:"Which side is held: request (default), response or both."`
	Timeout time.Duration `default:"60s" placeholder:"TIME" help:"How long an exchange is held at most (default 60s)."`
	Off     bool          `help:"Hold nothing any more, and release all that is held."`
	output
}

// Help tells what becomes of held exchanges.
func (interceptCmd) Help() string {
	return `A held request waits before a mock or the real server gets it, a held response before the device gets it. "held" lists, edits and releases them; the page of "web" does, too. One that nobody decides about goes on unchanged when its time is over, and no more than 100 are held at the same time: others pass. Without an expression, it tells what is set. "mock reset" and the end of the lease switch it off.

An expression about bodies (~b, ~bq, ~bs) lets every exchange wait for its body, up to 1 MiB.

Examples:

    j proxy intercept '~m POST & ~u /login'
    j proxy intercept '~c 500-599' --side response --timeout 5m
    j proxy held
    j proxy intercept --off`
}

// interceptStatus is the part of the status about exchanges that are held.
type interceptStatus struct {
	Expr    string  `json:"expr"`
	Side    string  `json:"side"`
	Timeout float64 `json:"timeout"`
	Held    int     `json:"held"`
	Passed  int     `json:"passed"`
}

// line describes what is held.
func (s *interceptStatus) line() string {
	side := s.Side
	if side == string(hold.Both) {
		side = "request and response"
	}
	line := fmt.Sprintf("the %s of %s, for %v at most: %d held", side, s.Expr, time.Duration(s.Timeout*float64(time.Second)), s.Held)
	if s.Passed > 0 {
		line += fmt.Sprintf(", %d passed because too many were", s.Passed)
	}
	return line
}

// Run sets what is held, or tells it.
func (c *interceptCmd) Run(ctx context.Context, sys *System, p proxy) error {
	switch {
	case c.Off && c.Expr != "":
		return usagef("got a filter expression and --off, want one of them (see %s intercept --help)", sys.Name)
	case c.Off:
		return p.say(ctx, sys, "intercept", "")
	case c.Expr != "":
		return p.say(ctx, sys, "intercept", c.Expr, c.Side, c.Timeout.Seconds())
	}
	var st struct {
		Intercept json.RawMessage `json:"intercept"`
	}
	if err := p.document(ctx, &st, "status"); err != nil {
		return err
	}
	if c.json() {
		return sys.tell(st.Intercept)
	}
	var now *interceptStatus
	if len(st.Intercept) > 0 {
		if err := json.Unmarshal(st.Intercept, &now); err != nil {
			return fmt.Errorf("status: %w", err)
		}
	}
	if now == nil {
		sys.out("Intercept is off.")
		return nil
	}
	sys.out("Intercept: %s", printable(now.line()))
	return nil
}
