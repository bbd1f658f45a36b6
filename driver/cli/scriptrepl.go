package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"starproxy/driver/scenario"
	"starproxy/script"
)

type scriptReplCmd struct {
	File string `arg:"" optional:"" help:"A script, whose names are there, or a scenario, which call() asks."`
	scriptDirs
}

// Help shows what can be typed.
func (scriptReplCmd) Help() string {
	return `Statements are run as they are entered, with all that tests can use:

    $ starproxy script repl auth.star
    >>> call("POST /api/auth", body = {"user": "admin"})
    <answer 401 {"error":"unauthorized"}>
    >>> clock.advance("30s")

Tab completes names, the arrow keys bring back earlier lines, also those of earlier sessions. help NAME explains a function; exit or Ctrl-D ends it. What a pipe brings is run without a prompt; the exit code is 1 when a statement failed.`
}

// Run reads and runs statements until the input ends.
func (c *scriptReplCmd) Run(ctx context.Context, sys *System) error {
	root := filepath.Dir(c.File)
	o := script.TestOptions{Options: scriptOptions(), Table: scenario.Table(c.env(root))}
	s, err := script.NewSession(o, c.File, sys.Stdout)
	if err != nil {
		return err
	}
	defer s.Close()
	if f, ok := sys.Stdin.(*os.File); ok && terminal(f) && terminal(sys.Stdout) {
		return c.interactive(ctx, sys, s, f)
	}
	in := bufio.NewReader(sys.Stdin)
	failed := false
	read := withWords(s, func(bool) (string, error) { return readLine(ctx, in) }, func(text string) { sys.out("%s", text) })
	for {
		text, err := s.Eval(ctx, read)
		switch {
		case err == nil:
			if text != "" {
				sys.out("%s", text)
			}
		case errors.Is(err, io.EOF) && !failed:
			return nil
		case errors.Is(err, io.EOF):
			return exitCode(exitFailure)
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			failed = true
			sys.note("%s", explain(err))
		}
	}
}

// readLine returns the next line, without its end.
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	return wait(ctx, func() (string, error) {
		line, err := in.ReadString('\n')
		if line != "" {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	})
}

// wait returns the results of read, or the error of ctx if that ends before.
func wait(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := read()
		done <- result{line, err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// terminalSession reads expressions from a terminal.
type terminalSession struct {
	*term.Terminal
	in      *os.File
	session *script.Session
}

// interactive evaluates what is typed at a terminal, until its end or that of ctx.
func (c *scriptReplCmd) interactive(ctx context.Context, sys *System, s *script.Session, in *os.File) error {
	t := &terminalSession{in: in, session: s}
	t.Terminal = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, sys.Stdout}, "")
	h := openHistory(sys)
	defer h.Close()
	t.History = h
	t.AutoCompleteCallback = t.complete
	p := palette(sys.colours())
	read := withWords(s, func(more bool) (string, error) { return t.read(ctx, more) }, func(text string) { sys.out("%s", text) })
	for {
		text, err := s.Eval(ctx, read)
		switch {
		case err == nil:
			if text != "" {
				sys.out("%s", text)
			}
		case errors.Is(err, io.EOF):
			sys.out("")
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			sys.out("%s", p.paint(explain(err), red))
		}
	}
}

// complete returns the callback of the terminal for each key: Tab completes the
// name before the cursor, or indents where there is none.
func (t *terminalSession) complete(line string, pos int, key rune) (newLine string, newPos int, ok bool) {
	if key != '\t' {
		return "", 0, false
	}
	word, found := t.session.Complete(line[:pos])
	if word == "" {
		return line[:pos] + "    " + line[pos:], pos + 4, true
	}
	if len(found) == 0 {
		return line, pos, true
	}
	longest := common(found)
	if longest == word && len(found) > 1 {
		// The goroutine that calls holds the lock of the terminal.
		go func() { _, _ = t.Write([]byte(strings.Join(found, "  ") + "\n")) }()
		return line, pos, true
	}
	return line[:pos-len(word)] + longest + line[pos:], pos - len(word) + len(longest), true
}

// read returns the next line; more says that it continues an expression. The
// terminal is raw only meanwhile, so that Ctrl-C ends an evaluation.
func (t *terminalSession) read(ctx context.Context, more bool) (string, error) {
	prompt := ">>> "
	if more {
		prompt = "... "
	}
	fd := int(t.in.Fd())
	if w, h, err := term.GetSize(fd); err == nil && w > 0 {
		_ = t.SetSize(w, h)
	}
	state, err := term.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	defer term.Restore(fd, state)
	t.SetPrompt(prompt)
	return wait(ctx, t.ReadLine)
}

// common returns the longest text with which all of texts begin.
func common(texts []string) string {
	prefix := texts[0]
	for _, s := range texts[1:] {
		for !strings.HasPrefix(s, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return prefix
}
