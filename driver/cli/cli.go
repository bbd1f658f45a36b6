// Package cli is the command line: the starproxy program and, under the name j,
// the client of whatever exporter JUMPSTARTER_HOST points to.
//
// A command is a type with a Run method in a file of its own; kong fills its
// fields and calls it in the one goroutine of Main.
//
// Standard output carries what Python's j prints there, line by line the same,
// and the data that a command is asked for; everything else (failures, hints,
// progress, logs) goes to standard error. Exit codes: 0, 1 for a failure, 80
// for a command line that is wrong, for shell the code of its child, and for run with
// a controller 128 and the number of the signal that ended it.
//
// main calls it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// program is the grammar of starproxy.
type program struct {
	Run        runCmd          `cmd:"" help:"Serve the proxies of an exporter; with no arguments, start mocking at once."`
	Shell      shellCmd        `cmd:"" help:"Run a shell or a command with an exporter of its own."`
	Check      checkCmd        `cmd:"" help:"Look at an exporter file and everything that it names, without starting anything."`
	View       viewCmd         `cmd:"" help:"Show the session in a bundle, flow file or HAR document on the page of the web UI."`
	J          jCmd            `cmd:"" passthrough:"" help:"Control the proxies of the exporter at JUMPSTARTER_HOST."`
	Script     scriptCmd       `cmd:"" help:"Check, test and try scripts; print what they can call."`
	Scenario   scenarioCmd     `cmd:"" help:"Make scenarios of the documents of other tools."`
	Session    sessionCommands `cmd:"" help:"Compare sessions of a device."`
	Schema     schemaCmd       `cmd:"" help:"Print the JSON Schema of a document, for editors."`
	Completion completionCmd   `cmd:"" help:"Print a completion script for bash, zsh or fish."`
	Version    versionCmd      `cmd:"" help:"Print version and licence, as --version does."`
	Host       hostProxiesCmd  `cmd:"" hidden:"" name:"host-proxies" help:"Serve the proxies of another starproxy."`
	Man        manCmd          `cmd:"" hidden:"" name:"__man" help:"Write the manual pages into a directory."`
	Complete   completeCmd     `cmd:"" hidden:"" name:"__complete" passthrough:"" help:"Answer the completion scripts."`
}

// Help returns the text below the program's usage line.
func (program) Help() string {
	return `starproxy answers HTTP and HTTPS for a device under test: it mocks, passes on and captures. It is a drop-in for the Python driver jumpstarter-driver-mitmproxy: exporter files, scenarios, the stock Python client and "j proxy" commands work unchanged.

First steps:

    starproxy run                      # mock on 127.0.0.1:8080, prints a curl line to try
    starproxy shell -- j proxy status  # an exporter for the length of one command
    starproxy run --exporter-config examples/exporter.yaml --start mock
                                       # your own exporter file; this one is in the checkout

A link named j to this program is the same as "starproxy j".`
}

// The exit codes of the program.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 80
)

// exitCode is an error that says nothing more than which code to exit with.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// usageError is a command line that is wrong in a way that the grammar can't
// tell.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Main runs the command line args, of which the first is the program's name,
// with the streams and environment of this process, and answers its exit code.
// SIGINT, SIGTERM and SIGHUP end the command cleanly; SIGHUP does not where it is
// ignored, as nohup has it.
func Main(args []string) int {
	sys := &System{Name: "starproxy", Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	ctx, signals, stop := watchSignals()
	defer stop()
	sys.signals = signals
	if len(args) == 0 {
		return sys.run(ctx, nil)
	}
	if filepath.Base(args[0]) == "j" {
		sys.Name = "j"
	}
	return sys.run(ctx, args[1:])
}

// run is Main in a given environment. A command whose output could not be
// written has failed, whatever it says.
func (s *System) run(ctx context.Context, args []string) int {
	var err error
	out := s.Stdout
	s.loss = &loss{}
	s.Stdout = &printed{out, s.loss}
	if s.Name == "j" {
		err = runJ(ctx, s, args)
	} else {
		both := []string{"session", "scenario", "script"} // commands of starproxy and of a proxy
		if len(args) == 0 || !slices.Contains(both, args[0]) {
			err = proxyWord(args, "proxy")
		}
		if err == nil {
			err = s.dispatch(ctx, "starproxy", &program{}, args)
		}
	}
	s.loss.closePrinted(out)
	if lost := s.loss.fault(); lost != nil && (err == nil || errors.Is(err, s.loss.err)) {
		err = lost
	}
	return s.exit(err)
}

// dispatch parses args by a grammar and runs the command that they select.
// More values can be bound for its Run method.
func (s *System) dispatch(ctx context.Context, name string, grammar any, args []string, bind ...any) error {
	app, helped, err := s.parser(ctx, name, grammar, bind...)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		// Asked for nothing: show what there is, and fail as a script should.
		app.Stdout = s.Stderr
		_, _ = app.Parse([]string{"--help"})
		return exitCode(exitUsage)
	}
	switch args[0] {
	case "help":
		if _, ours := grammar.(*program); ours && len(args) > 1 && proxyWord(args[1:], "proxy") != nil && !isCommand(app, args[1]) {
			return s.helpOfProxy(ctx, args[1:])
		}
		args = append(slices.Clone(args[1:]), "--help")
	case "--version", "-V":
		return (&versionCmd{}).Run(s)
	}
	c, err := app.Parse(args)
	if *helped {
		return nil
	}
	if err != nil {
		at := name
		var parse *kong.ParseError
		if errors.As(err, &parse) && parse.Context != nil {
			if node := parse.Context.Selected(); node != nil {
				at = node.FullPath()
			}
		}
		return usagef("%w (see %s --help)", &plainError{err}, at)
	}
	err = c.Run()
	var code exitCode
	if err != nil && ctx.Err() != nil && !errors.As(err, &code) {
		return errInterrupted
	}
	return err
}

// isCommand reports whether a program has a command of that name.
func isCommand(app *kong.Kong, name string) bool { return command(app.Model.Node, name) != nil }

// errInterrupted is the failure of a command that a signal ended early.
var errInterrupted = errors.New("interrupted")

// parser returns the parser of a grammar. It never ends the process: helped
// turns true when --help was answered.
func (s *System) parser(ctx context.Context, name string, grammar any, bind ...any) (app *kong.Kong, helped *bool, err error) {
	helped = new(bool)
	app, err = kong.New(grammar,
		kong.Name(name),
		kong.Writers(s.Stdout, s.Stderr),
		kong.Exit(func(int) { *helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100, NoExpandSubcommands: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(append(bind, s)...),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("grammar of %s: %w", name, err)
	}
	return app, helped, nil
}

// exit prints what an error has to say, in one line, and answers its code.
func (s *System) exit(err error) int {
	var code exitCode
	var usage usageError
	var child childError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &child):
		s.note("%s: %s", s.Name, oneLine(err))
		return child.code
	case errors.As(err, &usage):
		s.note("%s: %s", s.Name, oneLine(err))
		return exitUsage
	}
	s.note("%s: %s", s.Name, oneLine(err))
	return exitFailure
}

// oneLine returns the text of an error without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
