package cli

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A record is one line that goes on below its message, and a backtrace has lines of its own.
func TestColumnLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(newColumnLog(&out, func() int { return 60 }, false)).With("export", "proxy").WithGroup("g")
	log.Error("script failed", "endpoint", "GET /a", "error", errors.New("boom \x1b[2J"), slog.Group("inner", "n", 7), "empty", "",
		"backtrace", "Traceback:\n  a.star:3:1: in \x1b]0;x\x07\nboom")
	log.Warn("short")
	want := `ERROR script failed  export=proxy
               g.endpoint="GET /a"  g.error="boom \x1b[2J"
               g.inner.n=7  g.empty=""
               g.backtrace:
                 Traceback:
                   a.star:3:1: in ` + "\ufffd]0;x\ufffd" + `
                 boom
WARN  short  export=proxy
`
	var got strings.Builder
	for line := range strings.Lines(out.String()) {
		if _, err := time.Parse(time.TimeOnly, line[:min(8, len(line))]); err == nil {
			line = line[9:]
		}
		got.WriteString(line)
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

// The log of a terminal is in columns and coloured, without colours where NO_COLOR is set, and
// as text where that is asked for.
func TestLogOnTerminal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ env, format, want string }{
		{"TERM=xterm", "", "\x1b[33m\x1b[1mWARN \x1b[0m odd  \x1b[90mn=\x1b[0m1\r\n"},
		{"NO_COLOR=1", "", " WARN  odd  n=1\r\n"},
		{"TERM=xterm", "text", "level=WARN msg=odd n=1\r\n"},
		{"TERM=xterm", "json", `"level":"WARN","msg":"odd","n":1}` + "\r\n"},
	} {
		terminal, screen := pty(t, 80)
		sys := newConsole(test.env).System
		sys.Stderr = terminal
		slog.New(newLogHandler(&sys, slog.LevelWarn, test.format)).Warn("odd", "n", 1)
		screen.await(t, `n`)
		if got := screen.await(t, `\r\n`); !strings.HasSuffix(got, test.want) {
			t.Errorf("%s, %q: got %q, want %q at its end", test.env, test.format, got, test.want)
		}
	}
}
