package script

import (
	"context"
	"errors"
	"time"

	"go.starlark.net/starlark"

	"starproxy/builtins/call"
	"starproxy/builtins/clock"
	"starproxy/builtins/exchange"
	"starproxy/builtins/state"
	"starproxy/builtins/trial"
)

// Trial says how a request is tried: see [Host.Try].
type Trial struct {
	// Table makes the handler of the request with the copy of the host.
	Table func(copy *Host) (exchange.Handler, error)
	// Server answers in the place of the real server. Without it, a request that goes to
	// the real server has no answer.
	Server *exchange.Response
	// Limit is how many bytes of the answer's body are received.
	Limit int
}

// Tried is the outcome of a trial.
type Tried struct {
	// Answer is nil when there is none.
	Answer *trial.Answer
	// Err says why there is no answer. It is an [*Error] when a script failed, and nil when
	// the request would go to the real server.
	Err error
	// Asked reports whether the real server would have been asked.
	Asked bool
	// Webhooks are those that would have been sent.
	Webhooks []*call.Webhook
	// Pending is how many functions would run later.
	Pending int
	// Changes are those of the state.
	Changes []state.Difference
}

// maxTrial is how long a trial waits for an answer, on its own clock.
const maxTrial = 10 * time.Minute

// Try answers one request with a copy of the host. The copy has the state as it is now,
// cells and counters as at a start, and the present time. Its clock moves only when a
// script or a delay waits, so that nothing really waits. Nothing is sent, and nothing of
// the host changes.
func (h *Host) Try(ctx context.Context, t Trial, x *exchange.Exchange) *Tried {
	o := h.options
	o.State, o.Log, o.Deliver, o.Clock = h.env.State.Copy(), nil, nil, nil
	copied := New(o)
	defer copied.Close()
	env := copied.env
	env.Clock, env.Manual = clock.Frozen(h.env.Clock.Now()), true
	env.Tasks = call.NewTasks(env.Clock, true)
	a := &attempt{server: t.Server}
	out := &Tried{}
	table, err := t.Table(copied)
	if err != nil {
		out.Err = err
		return out
	}
	x.Forward, a.table = a.forward, table
	env.Test = a
	r := copied.get(ctx, nil)
	defer copied.put(r)
	out.Err = copied.within(r, func() (err error) {
		out.Answer, err = trial.Send(&r.call, x, t.Limit, maxTrial)
		return err
	})
	var failed *Error
	if errors.Is(out.Err, errNoServer) && (!errors.As(out.Err, &failed) || len(failed.Frames) == 0) {
		out.Err = nil // no script has asked
	}
	out.Asked, out.Webhooks, out.Pending = a.asked, env.Outbox(), env.Tasks.Pending()
	out.Changes = h.env.State.Differences(env.State)
	return out
}

// errNoServer says why a trial has no answer of the real server.
var errNoServer = errors.New("it goes to the real server, which is not asked here")

// attempt is the surroundings of a request that is tried.
type attempt struct {
	table  exchange.Handler
	server *exchange.Response // may be nil
	asked  bool
}

// Serve returns an error: the endpoints are those of the trial.
func (a *attempt) Serve(starlark.Value, starlark.Callable) error {
	return errors.New("serve: this is no test")
}

// Respond answers by the endpoints of the trial.
func (a *attempt) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	return a.table.Respond(ctx, x)
}

// forward answers in the place of the real server.
func (a *attempt) forward(context.Context) (*exchange.Response, error) {
	a.asked = true
	if a.server == nil {
		return nil, errNoServer
	}
	res := a.server.Clone()
	res.Origin = exchange.FromServer
	return res, nil
}

// Interface guard.
var _ call.Tester = (*attempt)(nil)
