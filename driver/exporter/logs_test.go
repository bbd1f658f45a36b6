package exporter

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/emptypb"

	"starproxy/driver/exporter/part"
	"starproxy/driver/pb"
)

func TestLogStreamReplaysAndFollowsForEveryReader(t *testing.T) {
	t.Parallel()
	b := newBench(t, fakesFile, "")
	x := pb.NewExporterServiceClient(raw(t, b))
	for i := range logKept + 10 {
		b.log.Info(fmt.Sprintf("record %d", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	streams := make([]pb.ExporterService_LogStreamClient, 2)
	for i := range streams {
		var err error
		if streams[i], err = x.LogStream(ctx, &emptypb.Empty{}); err != nil {
			t.Fatal(err)
		}
		for n := 10; n < logKept+10; n++ {
			r, err := streams[i].Recv()
			if err != nil {
				t.Fatal(err)
			}
			if r.GetMessage() != fmt.Sprintf("record %d", n) || r.GetSeverity() != "INFO" || r.GetSource() != pb.LogSource_LOG_SOURCE_SYSTEM || r.Timestamp == nil || r.GetUuid() != "" {
				t.Fatalf("reader %d, record %d: %v", i, n, r)
			}
		}
	}
	if _, err := b.fakes["proxy"].Call(ctx, "log", []any{"from the driver"}); err != nil {
		t.Fatal(err)
	}
	for i, s := range streams {
		r, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if r.GetMessage() != "from the driver" || r.GetSource() != pb.LogSource_LOG_SOURCE_DRIVER || r.GetDriverType() != "network" ||
			r.GetOperation() != "log" || r.GetStructuredFields()["n"] != "1" || r.GetStructuredFields()["export"] != "proxy" {
			t.Errorf("reader %d: %v", i, r)
		}
	}
}

func TestLogHandler(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ring := newLogRing()
	log := slog.New(&logHandler{ring: ring, next: slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})})
	log.Debug("hidden")
	log.Info("for the ring only")
	log.With("a", 1).WithGroup("g").With("b", 2).Warn("both", "c", 3, slog.Group("h", "d", 4))
	log.Error("bad \xff", "key\xff", "\xfe")
	log.Log(t.Context(), slog.LevelError+4, strings.Repeat("x", maxLogText+1))
	records, next := ring.Since(0)
	if len(records) != 4 || next != 4 {
		t.Fatalf("%d records, next is %d", len(records), next)
	}
	var severities []string
	for _, r := range records {
		severities = append(severities, r.GetSeverity())
	}
	if got := strings.Join(severities, " "); got != "INFO WARNING ERROR CRITICAL" {
		t.Errorf("severities: %s", got)
	}
	if f := records[1].GetStructuredFields(); f["a"] != "1" || f["g.b"] != "2" || f["g.c"] != "3" || f["g.h.d"] != "4" || len(f) != 4 {
		t.Errorf("fields: %v", f)
	}
	if m := records[2].GetMessage(); m != "bad \uFFFD" {
		t.Errorf("message %q", m)
	}
	if n := len(records[3].GetMessage()); n != maxLogText {
		t.Errorf("message of %d bytes", n)
	}
	if s := out.String(); strings.Contains(s, "ring only") || !strings.Contains(s, "msg=both a=1 g.b=2 g.c=3 g.h.d=4") {
		t.Errorf("the next handler got %s", s)
	}
	if got := severity(slog.LevelDebug); got != "DEBUG" {
		t.Errorf("debug is %s", got)
	}
}

// TestEncodeRecord checks that a record of any size is sent, and arrives.
func TestEncodeRecord(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x01", maxLogText)
	for _, r := range []*pb.LogStreamResponse{
		{Severity: "DEBUG", Message: "short", Source: pb.LogSource_LOG_SOURCE_DRIVER.Enum(), StructuredFields: map[string]string{"a": "b"}},
		{Severity: "INFO", Message: long, StructuredFields: map[string]string{"a": long, "b": long}},
	} {
		data, err := encodeRecord(r)
		if err != nil || len(data) > part.MaxRecord {
			t.Fatalf("%.20s: %d bytes, %v", r.GetMessage(), len(data), err)
		}
		s := &Session{ring: newLogRing(), next: slog.DiscardHandler}
		s.relayRecord(data)
		got, _ := s.ring.Since(0)
		if len(got) != 1 || got[0].GetSeverity() != r.GetSeverity() || !strings.HasPrefix(r.GetMessage(), got[0].GetMessage()) {
			t.Errorf("%.20s arrived as %.200v", r.GetMessage(), got)
		}
		if cut := got[0].GetStructuredFields()["cut"] != ""; cut != (r.GetMessage() == long) {
			t.Errorf("%.20s: fields %.200v", r.GetMessage(), got[0].GetStructuredFields())
		}
	}
}
