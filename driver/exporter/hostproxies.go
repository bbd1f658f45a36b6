package exporter

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"

	"starproxy/driver"
	"starproxy/driver/exporter/part"
	"starproxy/driver/pb"
)

// HostProxies returns the process of the proxies: it is told what to do on in
// and answers on out, until in ends.
func HostProxies() error {
	var s *Session
	shared := driver.NewShared()
	end := func() error {
		if s == nil {
			return nil
		}
		defer func() { s = nil }()
		return s.Close()
	}
	err := part.Serve(os.Stdin, os.Stdout, func(c part.Command) (any, error) {
		switch c.Do {
		case "open":
			if err := end(); err != nil {
				return nil, err
			}
			var spec proxiesSession
			if err := json.Unmarshal(c.Session, &spec); err != nil {
				return nil, err
			}
			limitOwnMemory(spec.Memory)
			shared.Learn(spec.Known)
			var socket string
			var err error
			s, socket, err = openProxies(&spec, shared)
			return socket, err
		case "know":
			var known driver.Known
			err := json.Unmarshal(c.Value, &known)
			shared.Learn(known)
			return nil, err
		}
		return nil, end()
	})
	if err2 := end(); err == nil {
		err = err2
	}
	return err
}

// openProxies serves the proxies of another process.
func openProxies(spec *proxiesSession, shared *driver.Shared) (*Session, string, error) {
	config := &Config{}
	ids := map[string]uuid.UUID{}
	for _, p := range spec.Proxies {
		config.Export = append(config.Export, &Node{Name: p.Path, Driver: &p.Config})
		ids[p.Path] = p.UUID
	}
	s, err := Open(config, Options{
		Log: slog.New(levelHandler{slog.DiscardHandler, spec.Level}), records: sendRecord,
		Shared: shared, Lease: spec.Lease, crashes: &spec.Crashes, uuids: ids,
	})
	if err != nil {
		return nil, "", err
	}
	socket, err := s.ServeUnix("")
	if err == nil {
		err = s.serveCalls(socket)
	}
	if err != nil {
		s.Close()
		return nil, "", err
	}
	return s, socket, nil
}

// sendRecord sends a record to the exporter, whose log and ring take it over.
func sendRecord(r *pb.LogStreamResponse) {
	data, err := encodeRecord(r)
	if err == nil {
		err = part.WriteRecord(os.Stderr, data)
	}
	_ = err // the exporter is gone, and this process ends soon
}

// encodeRecord returns the JSON of a record. One that is too long loses its
// fields and the end of its text.
func encodeRecord(r *pb.LogStreamResponse) ([]byte, error) {
	data, err := protojson.Marshal(r)
	if len(data) <= part.MaxRecord {
		return data, err
	}
	message := r.GetMessage()
	return protojson.Marshal(&pb.LogStreamResponse{
		Severity: r.GetSeverity(), Source: r.Source, DriverType: r.DriverType, Timestamp: r.GetTimestamp(),
		// An escape makes six bytes of one.
		Message:          text(message[:min(len(message), part.MaxRecord/8)]),
		StructuredFields: map[string]string{"cut": "true"},
	})
}

// levelHandler drops all records, but lets those from a level on be made.
type levelHandler struct {
	slog.Handler
	level slog.Level
}

func (h levelHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h levelHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h levelHandler) WithGroup(string) slog.Handler      { return h }

// Interface guard.
var _ slog.Handler = levelHandler{}
