package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/peterh/liner"
	"golang.org/x/term"

	"starproxy/script"
)

// prompt is a session at a terminal.
type prompt struct {
	sys     *System
	session *script.Session
	editor  *liner.State
	history *history
	colours palette
}

// openPrompt opens the editor of lines, with the history of earlier sessions. From here to
// Close the terminal does not echo.
func openPrompt(sys *System, s *script.Session) *prompt {
	p := &prompt{sys, s, liner.NewLiner(), openHistory(sys), palette(sys.colours())}
	for _, line := range p.history.lines {
		p.editor.AppendHistory(line)
	}
	p.editor.SetCtrlCAborts(true)
	p.editor.SetMultiLineMode(true) // a long line goes on below, and does not move sideways
	p.editor.SetBeep(false)
	p.editor.SetTabCompletionStyle(liner.TabPrints)
	p.editor.SetWordCompleter(p.complete)
	return p
}

// Close gives the terminal back as it was.
func (p *prompt) Close() {
	p.editor.Close()
	p.history.Close()
}

// complete returns what the name before the cursor can become, between the text before and
// after it: an indentation where there is no name.
func (p *prompt) complete(line string, pos int) (head string, found []string, tail string) {
	runes := []rune(line)
	before, after := string(runes[:pos]), string(runes[pos:])
	word, found := p.session.Complete(before)
	if word == "" {
		found = []string{"    "}
	}
	return strings.TrimSuffix(before, word), found, after
}

// banner tells what this is, and how to go on.
func (p *prompt) banner(file string) {
	asked := ""
	if file != "" {
		asked = " with " + file
	}
	p.sys.out("starproxy %s: Starlark%s", version(), asked)
	p.hint("help tells what can be entered, Tab completes, Ctrl-R searches, exit leaves.")
}

func (p *prompt) hint(text string) { p.sys.out("%s", p.colours.paint(text, grey)) }

// run evaluates what is typed, until its end or that of ctx.
func (p *prompt) run(ctx context.Context, file string) error {
	p.banner(file)
	read := withWords(p.session, func(more bool) (string, error) { return p.read(ctx, more) }, func(text string) { p.sys.out("%s", text) })
	for {
		err := p.evaluate(ctx, read)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, liner.ErrPromptAborted):
			p.hint("The text is dropped. exit or Ctrl-D leaves.")
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, context.Canceled):
			p.sys.out("%s", p.colours.paint("interrupted", red))
		case err != nil:
			p.sys.out("%s", p.colours.paint(explain(err), red))
		}
	}
}

// read returns the next line; more says that it continues a statement.
func (p *prompt) read(ctx context.Context, more bool) (string, error) {
	text := ">>> "
	if more {
		text = "... "
	}
	state, err := term.GetState(int(os.Stdin.Fd()))
	if err != nil {
		return "", err
	}
	line, err := wait(ctx, func() (string, error) { return p.editor.Prompt(text) })
	switch {
	case ctx.Err() != nil: // the editor still waits for a key
		_ = term.Restore(int(os.Stdin.Fd()), state)
	case errors.Is(err, io.EOF):
		p.sys.out("") // after the prompt
	case err == nil && strings.TrimSpace(line) != "":
		p.history.Add(line)
		p.editor.AppendHistory(line)
	}
	return line, err
}

// evaluate runs the next statement, and prints its value. Ctrl-C ends it: then the error
// is context.Canceled.
func (p *prompt) evaluate(ctx context.Context, read func(more bool) (string, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.sys.signals.takeInterrupt(cancel)
	defer p.sys.signals.takeInterrupt(nil)
	value, err := p.session.Eval(ctx, read)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if value != "" {
		p.sys.out("%s", value)
	}
	return err
}
