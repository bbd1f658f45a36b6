package view

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"

	"starproxy/driver/capture"
	"starproxy/driver/flow"
	"starproxy/driver/handshake"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
)

// Known is what is known of a session besides its exchanges. A field that is empty is not
// known, and neither is one that has something else than described.
type Known struct {
	// Name is the name of the session's file, for people.
	Name string
	// Status is the result of the method status when the session was kept, TLS that of
	// tls_report, and Manifest describes the bundle: JSON objects.
	Status, TLS, Manifest json.RawMessage
	// Timeline are the events of the session in their order: JSON objects as timeline.jsonl
	// of a bundle has them.
	Timeline []json.RawMessage
}

// Session shows a session that is over: the exchanges of a recording, and what else is
// known. Its methods change nothing.
type Session struct {
	*Service
	Known
	// Faults are why records of the recording are not shown, at most maxFaults.
	Faults []string
	// Unread is the number of these records.
	Unread int
}

const (
	maxFaults = 20
	// journalBytes is how much memory the exchanges of a session may take. Large bodies
	// stay in the file of the recording. The oldest exchanges are dropped beyond it.
	journalBytes = 1 << 30
)

// NewSession reads the flows of a session. The bodies of the flows must be readable as
// long as the session is used. A record that can't be read is counted in Unread; any other
// error of flows ends it.
func NewSession(flows iter.Seq2[*flow.Flow, error], known Known) (*Session, error) {
	return newSession(flows, known, journalBytes)
}

// newSession is NewSession whose exchanges may take maxBytes of memory, and their messages
// the same again.
func newSession(flows iter.Seq2[*flow.Flow, error], known Known, maxBytes int64) (*Session, error) {
	journal := capture.New(capture.Options{MaxBytes: maxBytes})
	sockets := capture.NewSockets(journal, capture.Options{MaxBytes: maxBytes})
	for _, text := range []*json.RawMessage{&known.Status, &known.TLS, &known.Manifest} {
		if !isObject(*text) {
			*text = nil
		}
	}
	s := &Session{Known: known, Service: New(Options{
		Journal: journal, Sockets: sockets, Handshakes: handshake.NewLog(), Table: mock.NewTable(),
		Mocks: func() bool { return false }, Address: func() (string, bool) { return "", false }, Devices: namesIn(known.Status),
	})}
	s.Service.misses = map[uint64][]miss{}
	conns := map[string]uint64{}
	for f, err := range flows {
		var bad *flow.RecordError
		switch {
		case errors.As(err, &bad):
			if s.Unread++; len(s.Faults) < maxFaults {
				s.Faults = append(s.Faults, err.Error())
			}
		case err != nil:
			s.Close()
			return nil, err
		default:
			if conns[f.Client.ID] == 0 {
				conns[f.Client.ID] = uint64(len(conns) + 1)
			}
			s.add(f, conns[f.Client.ID])
		}
	}
	return s, nil
}

// isObject reports whether a text is a JSON object.
func isObject(text []byte) bool {
	begin := bytes.TrimLeft(text, " \t\r\n")
	return len(begin) > 0 && begin[0] == '{' && json.Valid(text)
}

// add puts a flow into the journals.
func (s *Session) add(f *flow.Flow, conn uint64) {
	e := f.Entry(conn)
	seq := s.Journal.Add(e)
	messages, end := f.Messages(e, seq)
	for _, m := range messages {
		s.Sockets.Add(m)
	}
	if end != nil {
		s.Sockets.Add(end)
	}
	if f.Marked != "" || f.Comment != "" {
		s.marks.set(seq, colourOf(f.Marked), f.Comment)
	}
	if misses := missesOf(f); misses != nil {
		s.Service.misses[seq] = misses
	}
}

// colourOf returns the colour of a mark as flow files have it. Red stands for a mark that
// is no colour.
func colourOf(mark string) string {
	if mark == "" {
		return ""
	}
	all := colours()
	if i := slices.IndexFunc(all, func(c colour) bool { return c.emoji == mark }); i >= 0 {
		return all[i].name
	}
	return all[0].name
}

// Close forgets the exchanges. It leaves the files of the recording alone.
func (s *Session) Close() {
	s.Sockets.Close()
	s.Journal.Close()
}

// sessionStatus is what the page gets as the status.
type sessionStatus struct {
	ReadOnly bool            `json:"read_only"`
	File     string          `json:"file"`
	Views    []string        `json:"views"` // that the page shows
	Captures any             `json:"captures"`
	Devices  any             `json:"devices"`
	Session  map[string]any  `json:"session"`
	Status   json.RawMessage `json:"status,omitempty"`
	Manifest json.RawMessage `json:"manifest,omitempty"`
}

func (s *Session) status(context.Context) (*sessionStatus, error) {
	stats := s.Journal.Stats()
	st := &sessionStatus{ReadOnly: true, File: s.Name, Views: []string{"traffic", "figures"}, Status: s.Known.Status,
		Manifest: s.Manifest, Devices: s.Devices(),
		Captures: map[string]any{"entries": stats.Entries, "first": stats.First, "total": s.Journal.Last(), "dropped": stats.Dropped},
		Session:  map[string]any{"file": s.Name, "exchanges": stats.Entries},
	}
	if stats.Dropped > 0 {
		st.Session["left out"] = fmt.Sprintf("the oldest %d exchanges: they need too much memory", stats.Dropped)
	}
	if s.Unread > 0 {
		st.Session["unreadable records"] = fmt.Sprintf("%d: %s", s.Unread, strings.Join(s.Faults, "\n"))
	}
	if len(s.Timeline) > 0 {
		st.Views = append(st.Views, "timeline")
	}
	if s.TLS != nil {
		st.Views = append(st.Views, "tls")
	}
	st.Views = append(st.Views, "control")
	return st, nil
}

// watchStatus streams the status, which stays as it is.
func (s *Session) watchStatus(ctx context.Context) (iter.Seq2[any, error], error) {
	st, err := s.status(ctx)
	return func(yield func(any, error) bool) {
		if yield(st, nil) {
			<-ctx.Done()
		}
	}, err
}

// Rows returns the methods that the page calls. None of them changes anything.
func (s *Session) Rows() []rpc.Row {
	changes := []string{"annotate_capture", "resend_request", "delete_captures", "restore_captures", "name_device"}
	rows := slices.DeleteFunc(s.Service.Rows(), func(r rpc.Row) bool { return slices.Contains(changes, r.Name) })
	return append(rows,
		rpc.New("status", "Tell as JSON what is known of the session.", s.status),
		rpc.New("watch_status", "Stream the status, which does not change.", s.watchStatus),
		rpc.New("list_timeline", "List the events of the session, as JSON.", s.timeline),
		rpc.New("tls_report", "Tell as JSON how the TLS handshakes of devices ended.", s.tlsReport,
			rpc.With("host", ""), rpc.With("client", "")),
		rpc.New("list_handshakes", "List TLS handshakes: a session has none.", s.noHandshakes,
			rpc.With("host", ""), rpc.With("client", ""), rpc.With("after", 0), rpc.With("limit", 0)),
	)
}

// Table returns the methods of Rows as a table. Calls that fail are logged to log.
func (s *Session) Table(log *slog.Logger) *rpc.Table { return rpc.NewTable(log, s.Rows()) }

func (s *Session) timeline(context.Context) ([]json.RawMessage, error) {
	return append([]json.RawMessage{}, s.Timeline...), nil
}

func (s *Session) tlsReport(context.Context, string, string) (json.RawMessage, error) {
	if s.TLS == nil {
		return json.RawMessage(`{"hosts":[]}`), nil
	}
	return s.TLS, nil
}

func (s *Session) noHandshakes(context.Context, string, string, int, int) ([]any, error) {
	return []any{}, nil
}
