package driver

import (
	"context"
	"strings"
	"sync"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/contract"
	"starproxy/driver/rpc"
)

const (
	// maxUnsettled bounds the entries that wait to be checked.
	maxUnsettled = 500
	// settleTime bounds how long a method waits until the entries before it are checked.
	settleTime = 2 * time.Second
)

// contracts checks exchanges against the contract in force, after their answers, one
// after the other, and has the methods about contracts.
type contracts struct {
	table *contract.Table

	mu sync.Mutex
	// queue has the entry that is being checked, and behind it those that wait.
	queue []unsettled
}

// unsettled is an entry that is to be checked and then journaled.
type unsettled struct {
	contract *contract.Contract
	entry    *capture.Entry
	add      func(*capture.Entry)
	done     chan struct{} // closed when it is journaled; nil while nobody waits for that
}

// rows are for the table of methods.
func (s *contracts) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("contract_report", "Tell as JSON how the exchanges kept to the OpenAPI document of the scenario: its operations with "+
			"their counts, those that were never met, and the breaches.", s.report),
	}
}

func (s *contracts) report(context.Context) (contract.Report, error) { return s.table.Report(), nil }

// Inspect takes an entry to check it, and calls add afterwards. It returns false for an
// entry that is to be added at once.
func (s *contracts) Inspect(e *capture.Entry, add func(*capture.Entry)) bool {
	c := s.table.Current()
	if c == nil || c.Mode != contract.Warn || e.Kind != capture.HTTP {
		return false
	}
	if !c.Covers(e.Host) {
		s.table.Outside()
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxUnsettled {
		s.table.Overload()
		e.Notes = append(e.Notes, exchange.Note{Level: "info", Text: "contract: not checked: too many exchanges at once"})
		return false
	}
	own := *e
	s.queue = append(s.queue, unsettled{contract: c, entry: &own, add: add})
	if len(s.queue) == 1 {
		go s.work(s.queue[0])
	}
	return true
}

// work checks entries, next and those behind it, until there is none.
func (s *contracts) work(next unsettled) {
	for more := true; more; {
		result := checkEntry(next.contract, next.entry)
		s.table.Count(&result)
		next.entry.Notes = append(next.entry.Notes, result.Notes()...)
		next.add(next.entry)
		next, more = s.finish()
	}
}

// finish takes the entry out that was checked, and returns the next one.
func (s *contracts) finish() (next unsettled, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := s.queue[0].done; done != nil {
		close(done)
	}
	s.queue[0] = unsettled{}
	if s.queue = s.queue[1:]; len(s.queue) == 0 {
		s.queue = nil
		return next, false
	}
	return s.queue[0], true
}

// last returns a channel that is closed when the entries so far are checked; nil if they
// are.
func (s *contracts) last() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	u := &s.queue[len(s.queue)-1]
	if u.done == nil {
		u.done = make(chan struct{})
	}
	return u.done
}

// settle waits until the entries that came before are checked.
func (s *contracts) settle(ctx context.Context) {
	done := s.last()
	if done == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// drain waits until all entries are checked. None may come meanwhile.
func (s *contracts) drain() {
	if done := s.last(); done != nil {
		<-done
	}
}

// checkEntry checks an exchange as it was captured. Answers of the proxy itself, and
// those that met a fault, are not held against the contract.
func checkEntry(c *contract.Contract, e *capture.Entry) contract.Result {
	q := &contract.Request{Method: e.Method, Host: e.Host, Target: e.Target, Header: e.RequestHeader,
		Body: capturedBody(e.RequestHeader, e.RequestBody)}
	if e.Status == 0 || e.Status == 101 || e.Origin == exchange.FromProxy || e.Error != "" || faulted(e) {
		return c.Check(q, nil)
	}
	return c.Check(q, &contract.Answer{Status: e.Status, Header: e.ResponseHeader, Body: capturedBody(e.ResponseHeader, e.ResponseBody)})
}

// faulted reports whether a fault that somebody has set changed an answer.
func faulted(e *capture.Entry) bool {
	for _, name := range e.Met() {
		if strings.HasPrefix(name, "fault") {
			return true
		}
	}
	return false
}

func capturedBody(h exchange.Header, b capture.Blob) contract.Body {
	switch {
	case b.Size == 0:
		return contract.Body{}
	case b.Partial:
		return contract.Body{Unread: "its transfer broke off"}
	case b.Size > contract.MaxBody:
		return contract.Body{Unread: contract.TooLarge}
	case b.Missing() != "":
		return contract.Body{Unread: b.Missing()}
	}
	data, more, err := capture.Decoded(h, b, contract.MaxBody)
	switch {
	case more:
		return contract.Body{Unread: contract.TooLarge}
	case err != nil:
		return contract.Body{Unread: "it can't be decoded: " + err.Error()}
	}
	return contract.Body{Data: data}
}
