package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

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

Tab completes names; the arrow keys and Ctrl-R bring back what was entered, also in earlier sessions. _ is the last value. Ctrl-C drops what is typed, or ends what runs. help NAME explains a function; exit or Ctrl-D ends the session.

What a pipe brings is run without a prompt; the exit code is 1 when a statement failed.`
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
	if sys.Stdin == os.Stdin && terminal(os.Stdin) && terminal(sys.Stdout) {
		p := openPrompt(sys, s)
		defer p.Close()
		return p.run(ctx, c.File)
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
