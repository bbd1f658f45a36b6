package cli

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run this test binary as starproxy and as j.
func TestMain(m *testing.M) {
	program := func() { os.Exit(Main(os.Args)) }
	testscript.Main(m, map[string]func(){"starproxy": program, "j": program})
}

// TestScripts runs the whole program as a user does. UPDATE=1 writes the golden
// texts anew.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("UPDATE") == "1",
		Setup: func(env *testscript.Env) error {
			home := env.WorkDir + "/home"
			env.Setenv("HOME", home)
			env.Setenv("COLUMNS", "80")
			env.Setenv("SHELL", "/bin/sh")
			env.Setenv("JUMPSTARTER_HOST", "")
			return os.MkdirAll(home, 0o700)
		},
	})
}
