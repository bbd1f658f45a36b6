package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// System is the part of the process that commands use. Tests put
// buffers and a made-up environment in.
type System struct {
	// Name is the program's name in messages: the base name of argv[0].
	Name string
	// Stdin, Stdout and Stderr are the standard streams. Stdout gets data,
	// Stderr messages.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Getenv reads the environment; an unset variable is "".
	Getenv func(string) string

	signals *signals // that end this process; nil in tests
	loss    *loss    // of Stdout; nil where nobody asks for it
}

// out writes one line of data. A standard output that is gone ends the program
// by signal. Any other error makes the program fail in the end, see [System.run];
// who prints without an end looks at loss.
func (s *System) out(format string, args ...any) {
	fmt.Fprintf(s.Stdout, format+"\n", args...)
}

// note writes one message. Texts of strangers in it can't play with a terminal.
func (s *System) note(format string, args ...any) {
	lines := strings.Split(fmt.Sprintf(format, args...), "\n")
	for i, line := range lines {
		lines[i] = printable(strings.ReplaceAll(line, "\t", "    "))
	}
	fmt.Fprintln(s.Stderr, strings.Join(lines, "\n"))
}

// server returns the system for a command that serves: when nobody reads what it
// prints any more, gone is called, and the process goes on.
func (s *System) server(gone func()) *System {
	own := *s
	own.Stdout, own.Stderr = newOutlet(raw(s.Stdout), gone), newOutlet(s.Stderr, gone)
	if s.loss != nil {
		own.Stdout = &printed{own.Stdout, s.loss}
	}
	return &own
}

// guarded returns the system for a command that prints texts of strangers.
func (s *System) guarded() *System {
	own := *s
	own.Stdout = onScreen(s.Stdout)
	return &own
}

// descriptor is a file, or the outlet of one.
type descriptor interface{ Fd() uintptr }

// terminal reports whether w is a terminal.
func terminal(w any) bool {
	f, ok := w.(descriptor)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colours reports whether data may be coloured: on a terminal, unless NO_COLOR is
// set (https://no-color.org) or the terminal is a dumb one.
func (s *System) colours() bool { return s.coloursOn(s.Stdout) }

// coloursOn reports the same of a stream.
func (s *System) coloursOn(w any) bool {
	return s.Getenv("NO_COLOR") == "" && s.Getenv("TERM") != "dumb" && terminal(w)
}

// width returns the number of columns that a line of data may take: COLUMNS,
// else the terminal's width, else 100.
func (s *System) width() int { return s.widthOf(s.Stdout) }

// widthOf returns the same of a stream.
func (s *System) widthOf(w any) int {
	if n, err := strconv.Atoi(s.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := w.(descriptor); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 100
}
