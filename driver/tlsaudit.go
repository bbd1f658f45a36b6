package driver

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/builtins/follow"
	"starproxy/driver/rpc"
	"starproxy/driver/tlsfault"
)

// The time that an audit takes at most, without and with another wish of the caller.
const (
	auditTime    = 5 * time.Minute
	maxAuditTime = 24 * time.Hour
)

// The words of an audit: the kind of a control handshake, and the verdicts besides those
// of tlsfault.
const (
	controlKind = "control"
	waiting     = "waiting"   // for the device to connect
	neverMet    = "never met" // it did not connect in time
)

// auditStep is a handshake of an audit, as tls_audit streams it: when it is waited for,
// and when its verdict is known.
type auditStep struct {
	// Step counts from 1 to Steps.
	Step  int `json:"step"`
	Steps int `json:"steps"`
	// Kind is that of the fault, or "control" for a good certificate, and Doc says what
	// the device meets.
	Kind string `json:"kind"`
	Doc  string `json:"doc"`
	// Verdict is waiting, refused, accepted or never met.
	Verdict string `json:"verdict"`
	// Finding is true when the device accepted a fault that a good device refuses.
	Finding bool    `json:"finding"`
	Detail  string  `json:"detail"`
	Client  string  `json:"client"`
	Seconds float64 `json:"seconds"` // from the beginning of the step
}

// auditReport is the last item of tls_audit.
type auditReport struct {
	Done bool   `json:"done"` // true
	Host string `json:"host"`
	// Accepted, Refused and NeverMet are the kinds of faults with those verdicts, and
	// Findings are the accepted ones that a good device refuses.
	Accepted []string `json:"accepted"`
	Refused  []string `json:"refused"`
	NeverMet []string `json:"never_met"`
	Findings []string `json:"findings"`
	// Problem is why the verdicts say little, or there are none; empty when there is
	// no reason.
	Problem string `json:"problem"`
}

// auditKinds reads a list of kinds. Without one they are those that a good device
// refuses.
func auditKinds(list string) ([]tlsfault.Info, error) {
	var all, chosen []tlsfault.Info
	for _, i := range tlsfault.Kinds() {
		if i.Device != tlsfault.Fails {
			all = append(all, i)
		}
		if i.Device == tlsfault.Refuses {
			chosen = append(chosen, i)
		}
	}
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	switch {
	case len(words) == 0:
		return chosen, nil
	case len(words) == 1 && words[0] == "all":
		return all, nil
	}
	chosen = nil
	for _, word := range words {
		var k tlsfault.Kind
		if err := k.UnmarshalText([]byte(word)); err != nil {
			return nil, err
		}
		i := k.Info()
		switch {
		case i.Device == tlsfault.Fails:
			return nil, fmt.Errorf("got %q, want a fault after which a request can come", word)
		case slices.ContainsFunc(chosen, func(c tlsfault.Info) bool { return c.Kind == k }):
			return nil, fmt.Errorf("got %q again, want each kind once", word)
		}
		chosen = append(chosen, i)
	}
	return chosen, nil
}

// audit streams the steps of an audit, and then its report. The faults that are set
// count again when it ends, for whatever reason.
func (s *tlsFaults) audit(ctx context.Context, host, kinds string, timeout float64) (iter.Seq2[any, error], error) {
	refuse := func(about string, err error) error {
		return &rpc.Refusal{Code: rpc.InvalidArgument, About: about, Text: fmt.Sprintf("tls_audit: %s: %v", about, err)}
	}
	p, err := parsePattern("tls_audit", host)
	if err != nil {
		return nil, err
	}
	chosen, err := auditKinds(kinds)
	if err != nil {
		return nil, refuse("kinds", err)
	}
	if !(timeout > 0 && timeout <= maxAuditTime.Seconds()) {
		return nil, refuse("timeout", fmt.Errorf("got %v, want seconds from 0 to %v", timeout, maxAuditTime.Seconds()))
	}
	if s.life.run.Load() == nil {
		return nil, rpc.Refuse(rpc.FailedPrecondition, "tls_audit: the proxy does not run")
	}
	return func(yield func(any, error) bool) {
		a, ok := s.table.Audit(p)
		if !ok {
			yield(nil, rpc.Refuse(rpc.AlreadyExists, "tls_audit: an audit of %s is under way", p))
			return
		}
		defer a.End()
		within, cancel := context.WithTimeout(ctx, inSeconds(timeout))
		defer cancel()
		run := newAuditRun(p, a, chosen)
		if run.all(within, func(s auditStep) bool { return ctx.Err() == nil && yield(s, nil) }) && ctx.Err() == nil {
			yield(run.report(), nil)
		} else if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}, nil
}

// auditRun is an audit under way.
type auditRun struct {
	host  exchange.HostPattern
	audit *tlsfault.Audit

	mu      sync.Mutex
	steps   []auditStep
	begun   []time.Time
	settled follow.Signal // a step has another verdict
	problem string
}

func newAuditRun(host exchange.HostPattern, a *tlsfault.Audit, kinds []tlsfault.Info) *auditRun {
	r := &auditRun{host: host, audit: a}
	good := auditStep{Kind: controlKind, Doc: "the certificate is good"}
	r.steps = append(r.steps, good)
	for _, i := range kinds {
		r.steps = append(r.steps, auditStep{Kind: string(i.Kind), Doc: i.Doc})
	}
	r.steps = append(r.steps, good)
	for i := range r.steps {
		r.steps[i].Step, r.steps[i].Steps, r.steps[i].Verdict = i+1, len(r.steps), waiting
	}
	r.begun = make([]time.Time, len(r.steps))
	return r
}

// all goes through the steps. It gives each to yield when it begins and when it has a
// verdict, and earlier ones again whose verdict has changed; it stops when yield
// returns false, and returns false then.
func (r *auditRun) all(ctx context.Context, yield func(auditStep) bool) bool {
	shown := make([]string, len(r.steps))
	for i := range r.steps {
		if !yield(r.begin(i)) {
			return false
		}
		r.await(ctx, i)
		for j := range i + 1 {
			if s := r.step(j); s.Verdict != shown[j] {
				if shown[j] = s.Verdict; !yield(s) {
					return false
				}
			}
		}
		if r.judge(i) {
			return true
		}
	}
	return true
}

// begin has handshakes meet the fault of a step.
func (r *auditRun) begin(i int) auditStep {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun[i] = time.Now()
	var f tlsfault.Fault
	if k := r.steps[i].Kind; k != controlKind {
		f, _ = tlsfault.Parse(k)
	}
	r.audit.Next(f, func(o tlsfault.Outcome) { r.settle(i, o) })
	return r.steps[i]
}

// settle notes the outcome of a handshake of a step. Of several the one that the device
// accepted counts.
func (r *auditRun) settle(i int, o tlsfault.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.steps[i]
	if s.Verdict == string(tlsfault.Accepted) || s.Verdict == string(tlsfault.Refused) && o.Verdict != tlsfault.Accepted {
		return
	}
	s.Detail, s.Client, s.Seconds = o.Detail, o.Client.String(), time.Since(r.begun[i]).Seconds()
	if o.Verdict == tlsfault.Silent {
		return // it may connect again, and say more
	}
	s.Verdict = string(o.Verdict)
	s.Finding = o.Verdict == tlsfault.Accepted && s.Kind != controlKind && tlsfault.Kind(s.Kind).Info().Device == tlsfault.Refuses
	r.settled.Notify()
}

// await waits for the verdict of a step. A step without one in time is never met.
func (r *auditRun) await(ctx context.Context, i int) {
	for {
		r.mu.Lock()
		changed, verdict := r.settled.Changed(), r.steps[i].Verdict
		r.mu.Unlock()
		if verdict != waiting {
			return
		}
		if !follow.Any(ctx, changed) {
			r.mu.Lock()
			if s := &r.steps[i]; s.Verdict == waiting {
				s.Verdict = neverMet
			}
			r.mu.Unlock()
			return
		}
	}
}

func (r *auditRun) step(i int) auditStep {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.steps[i]
}

// judge notes what the control handshakes say, and reports whether the audit ends for
// it.
func (r *auditRun) judge(i int) (ends bool) {
	s := r.step(i)
	first := i == 0
	switch {
	case s.Kind != controlKind || s.Verdict == string(tlsfault.Accepted):
	case s.Verdict == neverMet && first:
		r.problem = fmt.Sprintf("the device made no request to %s in time", r.host)
		if s.Detail != "" {
			r.problem += ": " + s.Detail
		}
	case s.Verdict == neverMet:
	case first:
		r.problem = "the device refuses the good certificate, too, so that its refusals would say nothing: " + s.Detail
	default:
		r.problem = "after the audit the device refuses the good certificate: " + s.Detail
	}
	return first && r.problem != ""
}

// report sums the audit up.
func (r *auditRun) report() auditReport {
	rep := auditReport{Done: true, Host: string(r.host), Accepted: []string{}, Refused: []string{}, NeverMet: []string{},
		Findings: []string{}, Problem: r.problem}
	for i := range r.steps {
		s := r.step(i)
		if s.Kind == controlKind {
			continue
		}
		switch s.Verdict {
		case string(tlsfault.Accepted):
			rep.Accepted = append(rep.Accepted, s.Kind)
		case string(tlsfault.Refused):
			rep.Refused = append(rep.Refused, s.Kind)
		default:
			rep.NeverMet = append(rep.NeverMet, s.Kind)
		}
		if s.Finding {
			rep.Findings = append(rep.Findings, s.Kind)
		}
	}
	return rep
}
