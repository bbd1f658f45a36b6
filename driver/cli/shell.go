package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"starproxy/driver/exporter/hook"
)

type shellCmd struct {
	exporterFlags
	Command []string `arg:"" optional:"" passthrough:"partial" help:"Command to run; your shell if left out."`
}

// Help shows the use.
func (shellCmd) Help() string {
	return `Serves an exporter for as long as the command runs, and sets JUMPSTARTER_HOST for it, so that pytest suites, the Python client and j find it; j is on its PATH. With a configuration nothing is started until it is asked for; without one the built-in mocks are up on 127.0.0.1:8080. The exit code is the command's own.

Examples:

    starproxy shell
    starproxy shell --exporter-config exporter.yaml -- pytest -v
    starproxy shell --exporter bench1 -- sh -c 'j proxy start && ./device-test'`
}

// Run serves the exporter and runs the child.
func (c *shellCmd) Run(ctx context.Context, sys *System) error {
	b, err := c.open(sys.server(func() {})) // the command says when it ends
	if err != nil {
		return err
	}
	defer b.end()
	noHooks(sys, b.config)
	if err := b.serve(ctx, ""); err != nil {
		return err
	}
	if b.builtIn {
		if err := b.start(ctx, "mock", false, ""); err != nil {
			return err
		}
	}
	bin, err := hook.LinkJ()
	if err != nil {
		return err
	}
	defer bin.Remove()
	argv, interactive := c.argv(sys)
	cmd := exec.Command(argv[0], argv[1:]...)
	if argv[0] == "j" { // it would be looked for in our own PATH
		cmd = exec.Command(filepath.Join(bin.Path, "j"), argv[1:]...)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = sys.Stdin, raw(sys.Stdout), sys.Stderr
	cmd.Env = hook.Environ(os.Environ(), b.socket, bin.Path)
	if interactive {
		if b.config.MOTD != "" {
			sys.note("%s", strings.TrimRight(b.config.MOTD, "\n"))
		}
		if filepath.Base(argv[0]) == "bash" {
			cmd.Env = append(cmd.Env, `PS1=\W (starproxy) \$ `)
		}
	}
	return runChild(cmd)
}

// argv returns the command line of the child.
func (c *shellCmd) argv(sys *System) (argv []string, interactive bool) {
	argv = c.Command
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) > 0 {
		return argv, false
	}
	shell := sys.Getenv("SHELL")
	if shell == "" {
		shell = "bash"
	}
	if filepath.Base(shell) == "bash" {
		// The user's start-up files would put another prompt and PATH in place.
		return []string{shell, "--norc", "--noprofile"}, true
	}
	return []string{shell}, true
}

// runChild runs cmd in this process's group and answers how it ended: nil, or
// an exitCode as a shell would have it, 128 and the number of the signal that
// killed it. The terminal's own signals reach the child by themselves; those
// sent to this process alone are passed on.
func runChild(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	err := cmd.Start()
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return childError{127, fmt.Errorf("command not found: %s", cmd.Args[0])}
	case err != nil:
		return childError{126, fmt.Errorf("running %s: %w", cmd.Args[0], err)}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM || s == syscall.SIGHUP {
				_ = cmd.Process.Signal(s) // an error says that it has ended
			}
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				return err
			}
			if st, ok := exit.Sys().(syscall.WaitStatus); ok && st.Signaled() {
				return exitCode(128 + int(st.Signal()))
			}
			return exitCode(exit.ExitCode())
		}
	}
}

// childError is a child that could not be run, with the exit code that shells
// have for it.
type childError struct {
	code int
	error
}
