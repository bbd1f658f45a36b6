// Package part runs a program beside the exporter that serves some of its
// drivers: starproxy itself for proxies that are kept apart, Python for types
// that are not ours.
//
// Such a program, a host, reads commands from its standard input and answers
// each with one line on its standard output, both in JSON. It serves one session
// after the other on a unix socket, by Jumpstarter's own protocol, and ends when
// its standard input ends, so that it does not outlive the exporter.
//
// A Part is for any number of goroutines. The exporter has one for each kind of
// host.
package part

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"time"
)

// Program describes how a host is started.
type Program struct {
	// Name of the host in messages: "the Python part".
	Name string
	// Command makes the command of a new process. Its standard streams are not
	// set.
	Command func() (*exec.Cmd, error)
	// Limit bounds the memory of the process, in bytes, where the system can do
	// that; 0 sets no bound.
	Limit uint64
	// Log gets what the host writes to its standard error while it serves no
	// session, or one without a log.
	Log *slog.Logger
	// Record gets the JSON of what the host has written there by WriteRecord,
	// instead of Log. Nil for a host that writes none.
	Record func(json []byte)
	// Patience bounds the start and the opening of a session; a host that takes
	// longer is killed. 0 means a minute.
	Patience time.Duration
	// ClosePatience bounds the closing of a session in the same way, and so does
	// Patience. 0 means 5 s.
	ClosePatience time.Duration
}

// closePatience is the default of Program.ClosePatience: a signal ends the exporter
// within 10 s.
const closePatience = 5 * time.Second

// Part is a host that is started when it is needed, and again after it died.
type Part struct {
	program Program
	closing context.Context // ends when the part is being closed
	end     func()

	mu   sync.Mutex // held while a host starts or opens a session
	host *host
}

// New makes a part; nothing is started.
func New(p Program) *Part {
	if p.Patience == 0 {
		p.Patience = time.Minute
	}
	if p.ClosePatience == 0 {
		p.ClosePatience = closePatience
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	part := &Part{program: p}
	part.closing, part.end = context.WithCancel(context.Background())
	return part
}

// errClosed is the answer of a part that was closed.
var errClosed = errors.New("the exporter is closing")

// Start starts the host, unless it runs, so that the next session need not wait
// for it.
func (p *Part) Start(ctx context.Context) error {
	ctx, cancel := p.untilClosed(ctx)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.running(ctx)
	return err
}

// untilClosed returns a context that ends with ctx, and when the part is
// closed.
func (p *Part) untilClosed(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(p.closing, func() { cancel(errClosed) })
	return ctx, func() { detach(); cancel(nil) }
}

// running returns the host, started if there is none; p.mu is held.
func (p *Part) running(ctx context.Context) (*host, error) {
	if p.closing.Err() != nil {
		return nil, errClosed
	}
	if p.host != nil && p.host.alive() {
		return p.host, nil
	}
	if p.host != nil {
		p.program.Log.Warn(p.program.Name+" is started again", "reason", p.host.reason)
		p.host = nil
	}
	h, err := startHost(ctx, &p.program)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.program.Name, err)
	}
	p.host = h
	return h, nil
}

// Open has the host serve a session. A host that is found dead is started again
// once. log gets what the host writes to its standard error until the session
// ends; nil means that of the program. An error of the host itself is a *Refusal.
func (p *Part) Open(ctx context.Context, session any, log *slog.Logger) (*Session, error) {
	ctx, cancel := p.untilClosed(ctx)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	for again := false; ; again = true {
		h, err := p.running(ctx)
		if err != nil {
			return nil, err
		}
		var reply struct {
			Socket string `json:"socket"`
		}
		h.log.Store(log)
		err = h.call(ctx, p.program.Patience, map[string]any{"do": "open", "session": session}, &reply)
		if err == nil {
			return &Session{Socket: reply.Socket, host: h}, nil
		}
		h.log.Store(nil)
		var refused *Refusal
		if errors.As(err, &refused) || again || h.alive() || ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", p.program.Name, err)
		}
	}
}

// Close ends the host, by force if it is starting or opening a session. It may
// be called again.
func (p *Part) Close() {
	p.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host != nil {
		p.host.stop()
		p.host = nil
	}
}

// Session is a session that a host serves.
type Session struct {
	// Socket is the path of the unix socket.
	Socket string
	host   *host
}

// Dead is closed when the host has ended.
func (s *Session) Dead() <-chan struct{} { return s.host.dead }

// Reason returns why the host has ended, in one line; nil while it runs.
func (s *Session) Reason() error {
	if s.host.alive() {
		return nil
	}
	return fmt.Errorf("%s has died: %w", s.host.program.Name, s.host.reason)
}

// PID returns the number of the host's process.
func (s *Session) PID() int { return s.host.cmd.Process.Pid }

// Tell sends the host a command of the session's own and waits for its answer.
func (s *Session) Tell(ctx context.Context, command string, value any) error {
	return s.host.call(ctx, s.host.program.Patience, map[string]any{"do": command, "value": value}, nil)
}

// Close ends the session. A host that does not manage to is killed.
func (s *Session) Close() error {
	if !s.host.alive() {
		return nil
	}
	p := s.host.program
	defer s.host.log.Store(nil)
	if err := s.host.call(context.Background(), min(p.ClosePatience, p.Patience), map[string]any{"do": "close"}, nil); err != nil {
		return fmt.Errorf("%s: close the session: %w", p.Name, err)
	}
	return nil
}

// Refusal is the answer of a host that cannot do what it was told.
type Refusal struct {
	// Message is one line for a person.
	Message string `json:"error"`
	// Missing lists the drivers that could not be loaded.
	Missing []Missing `json:"missing"`
}

func (r *Refusal) Error() string { return r.Message }

// Missing is a driver whose package is not installed.
type Missing struct {
	// Path of the export, from the root.
	Path string `json:"path"`
	// Type is the class that the exporter file names.
	Type string `json:"type"`
	// Module that could not be imported.
	Module string `json:"module"`
}
