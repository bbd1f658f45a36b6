package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

type scriptCheckCmd struct {
	Paths  []string `arg:"" name:"path" help:"Scripts (scenarios, addons, libraries, tests) and YAML or JSON scenarios, or directories of them."`
	JSON   bool     `name:"json" help:"Print a JSON list of objects with file, line, column, severity (error or warning) and message."`
	Strict bool     `help:"Fail for warnings, too."`
	scriptDirs
}

// Help explains what is checked.
func (scriptCheckCmd) Help() string {
	return `Each file is parsed, its names are resolved, calls of known functions are checked, what it loads is loaded, and every endpoint of a scenario is compiled as "mock load" would. Of an addon, handle and websocket are looked at. After a mistake the rest of the file is looked at, too.

Mistakes are printed as FILE:LINE:COLUMN: MESSAGE, and the exit code is 1. What loads, but hardly means what it says, is a warning: a step or rule that hides those after it, an endpoint that another one always hides, {{expressions}} where none is computed, words that nothing knows, paths of other programs (/users/:id, * in the middle), keys that do not count beside others.`
}

// Run prints what is wrong with each file.
func (c *scriptCheckCmd) Run(ctx context.Context, sys *System) error {
	files, err := sources(c.Paths, isScriptOrScenario)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no scripts or scenarios below %s", strings.Join(c.Paths, ", "))
	}
	all, failed := []finding{}, 0
	for _, f := range files {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		found := c.findings(f)
		if slices.ContainsFunc(found, func(f finding) bool { return f.Severity == "error" || c.Strict }) {
			failed++
		}
		if all = append(all, found...); c.JSON {
			continue
		}
		for _, f := range found {
			sys.out("%s", f)
		}
	}
	if c.JSON {
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		sys.out("%s", text)
	}
	if failed > 0 {
		sys.note("%s: %d of %s wrong", sys.Name, failed, plural(len(files), "file"))
		return exitCode(exitFailure)
	}
	sys.note("%s: %s checked", sys.Name, plural(len(files), "file"))
	return nil
}

// finding is a mistake or a warning, with its place as far as it is known.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Severity string `json:"severity"` // error or warning
	Message  string `json:"message"`
	text     string
}

// String returns the line that is printed.
func (f finding) String() string {
	if f.Severity == "warning" {
		return "warning: " + f.text
	}
	return f.text
}

// placed matches a text that begins with its place.
var placed = regexp.MustCompile(`^(.+?):(\d+)(?::(\d+))?: (.*)$`)

// newFinding finds the place in a text about a file.
func newFinding(file, severity, text string) finding {
	f := finding{File: file, Severity: severity, Message: text, text: text}
	if m := placed.FindStringSubmatch(text); m != nil {
		f.File, f.Message = m[1], m[4]
		f.Line, _ = strconv.Atoi(m[2])
		f.Column, _ = strconv.Atoi(m[3]) // 0 without one
	}
	return f
}

// findings returns all that is wrong with a file, warnings first.
func (c *scriptCheckCmd) findings(f source) []finding {
	var warned scenario.Warnings
	var mistakes []error
	seen := map[script.Position]bool{}
	if filepath.Ext(f.file) == script.Ext {
		if src, err := disk.Read(f.path(), disk.MaxDocument); err == nil { // else loading tells the error
			for _, fault := range script.Faults(f.path(), src) {
				mistakes, seen[lineOf(fault)] = append(mistakes, fault), true
			}
		}
	}
	mistake := func(err error) {
		var at *script.Error
		if !errors.As(err, &at) || !seen[lineOf(at)] {
			mistakes = append(mistakes, err)
		}
	}
	if err := c.check(f, slog.New(&warned), mistake); err != nil {
		mistake(err)
	}
	var found []finding
	for _, w := range warned {
		found = append(found, newFinding(f.path(), "warning", w))
	}
	for _, err := range mistakes {
		found = append(found, newFinding(f.path(), "error", oneLine(err)))
	}
	return found
}

// lineOf returns the line of an error, at which one message is enough.
func lineOf(err *script.Error) script.Position {
	return script.Position{File: err.Pos.File, Line: err.Pos.Line}
}

// check compiles one file. Mistakes of single endpoints go to mistake.
func (c *scriptCheckCmd) check(f source, log *slog.Logger, mistake func(error)) error {
	h := script.New(scriptOptions())
	defer h.Close()
	env := c.env(filepath.Dir(f.path()))
	env.Script, env.Log, env.Mistake = h, log, mistake
	if filepath.Ext(f.file) != script.Ext {
		_, err := scenario.Load(f.path(), env)
		return err
	}
	if isTest(f.file) {
		return script.CheckTestFile(scriptOptions(), f.root, filepath.ToSlash(f.file))
	}
	s, err := h.Load(f.root, filepath.ToSlash(f.file))
	if err != nil {
		return err
	}
	has := func(name string) bool { _, ok := s.Globals[name]; return ok }
	switch {
	case has("endpoints") || has("hooks"):
		_, err = scenario.Load(f.path(), env)
	case has("handle") || has("websocket"):
		env.AddonsDir, env.Mistake = filepath.Dir(f.path()), nil
		env.Addons = scenario.NewAddons(h, log)
		name := strings.TrimSuffix(filepath.Base(f.file), script.Ext)
		for _, e := range []struct{ fn, key string }{{"handle", "GET /"}, {"websocket", "WEBSOCKET /"}} {
			if has(e.fn) && err == nil {
				_, err = scenario.Compile(e.key, map[string]any{"addon": name}, env, mock.Source{})
			}
		}
		var at *script.Error // without the endpoint, which nobody wrote
		if errors.As(err, &at) {
			return at
		}
	default:
		return unused(f, s)
	}
	return err
}

// unused tells of a script that is neither a scenario nor an addon: what its
// globals were probably meant to be, or, where it lies among the addons, what
// it lacks. A library that others load is all right.
func unused(f source, s *script.Script) error {
	at := script.Position{File: s.File, Line: 1, Column: 1}
	for _, want := range []string{"endpoints", "hooks", "handle", "websocket"} {
		if near := s.Lookalike(want); near != "" {
			return &script.Error{Pos: at, Message: fmt.Sprintf("no global %s; is %s meant?", want, near)}
		}
	}
	switch {
	case filepath.Base(filepath.Dir(f.path())) == "addons" && f.named:
		return &script.Error{Pos: at, Message: "no function handle(req, config) and none websocket(ws, config): it is no addon"}
	case strings.TrimSuffix(filepath.Base(f.file), script.Ext) == "scenario":
		return &script.Error{Pos: at, Message: "no global endpoints: it is no scenario"}
	}
	return nil
}

// isScriptOrScenario reports whether a file in a directory is to be checked. Of
// YAML and JSON files only those that have endpoints are meant.
func isScriptOrScenario(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case script.Ext:
		return true
	case ".yaml", ".yml":
		data, err := disk.Read(path, disk.MaxDocument)
		return err == nil && regexp.MustCompile(`(?m)^["']?(endpoints|mocks)["']?\s*:`).Match(data)
	case ".json":
		data, err := disk.Read(path, disk.MaxDocument)
		return err == nil && regexp.MustCompile(`^\s*\{\s*("\$\w+"[^{}]*)?"(config|endpoints|mocks)"\s*:`).Match(data)
	}
	return false
}
