package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.starlark.net/syntax"

	"starproxy/builtins/nearest"
	"starproxy/driver/document"
	"starproxy/driver/mock"
	"starproxy/script"
)

// isScript reports whether a document is a Starlark script.
func isScript(filename string) bool { return strings.EqualFold(filepath.Ext(filename), script.Ext) }

// loadScript reads a scenario that is a script; its load statements reach what
// lies in its directory. A file that is a link stands for the one it leads to.
func loadScript(path string, env Env) (*Scenario, error) {
	if env.Script == nil {
		return nil, &document.Error{File: path, Message: "nothing here runs scripts"}
	}
	real := path
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 || env.policy() != nil {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		if real, err = env.policy().Resolve(abs); err != nil {
			return nil, err
		}
	}
	loaded, err := env.Script.Load(filepath.Dir(real), filepath.Base(real))
	s := &Scenario{Name: filepath.Base(path), Path: path, Files: loaded.Files}
	if real != path {
		s.Files = append([]string{path}, s.Files...)
	}
	if err == nil {
		err = s.compile(loaded, newCompiler(env, mock.Source{Name: path, File: path}, filepath.Dir(path)))
		s.Files = append(s.Files, s.Adversity.Contract.Watched()...)
	}
	return s, scriptFault(err)
}

// parseScript reads a scenario that is a script and was sent.
func parseScript(filename string, data []byte, env Env) (*Scenario, error) {
	if env.Script == nil {
		return nil, &document.Error{File: filename, Message: "nothing here runs scripts"}
	}
	loaded, err := env.Script.LoadText(filename, data)
	s := &Scenario{Name: filepath.Base(filename), Path: filename}
	if err == nil {
		err = s.compile(loaded, newCompiler(env, mock.Source{Name: filename, File: filename}, ""))
	}
	return s, scriptFault(err)
}

// scriptFault returns an error of a script as a [*document.Error].
func scriptFault(err error) error {
	var own *document.Error
	var e *script.Error
	if errors.As(err, &own) || !errors.As(err, &e) {
		return err
	}
	return &document.Error{File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Column, Message: scriptMessage(err), Err: err}
}

// compile returns the endpoints and hooks of a script's globals.
func (s *Scenario) compile(loaded *script.Script, c *compiler) (err error) {
	defer func() { err = document.InFile(s.Path, err) }()
	r := reader{c: c, room: maxValues}
	names := make([]string, 0, len(loaded.Globals))
	for name := range loaded.Globals {
		names = append(names, name)
	}
	if config, ok := loaded.Globals["config"]; ok {
		n, err := r.node(config, assigned(loaded.Syntax, "config"), nil, "config", 0)
		if err != nil {
			return err
		}
		if err := c.configure(n); err != nil {
			return err
		}
	}
	if hooks, ok := loaded.Globals["hooks"]; ok {
		if s.Hooks, err = r.hooks(hooks, assigned(loaded.Syntax, "hooks")); err != nil {
			return err
		}
	}
	opposes, err := r.adversities(loaded)
	if err != nil {
		return err
	}
	s.Adversity = c.adversity
	endpoints, ok := loaded.Globals["endpoints"]
	if !ok && (s.Hooks != nil || opposes) {
		return nil
	}
	if !ok {
		message := "endpoints: got no global of this name, want a dict from keys such as \"GET /path\" to functions or data"
		if near := nearest.Name("endpoints", names); near != "" {
			message = fmt.Sprintf("no global named endpoints; is %s meant?", near)
		}
		return &document.Error{Line: 1, Column: 1, Message: message}
	}
	n, err := r.endpoints(endpoints, assigned(loaded.Syntax, "endpoints"))
	if err != nil {
		return err
	}
	s.Endpoints, err = c.endpoints(n, false)
	return err
}

// assigned returns the expression that a file assigns to a global, or nil.
func assigned(file *syntax.File, name string) syntax.Expr {
	var found syntax.Expr
	for _, stmt := range file.Stmts {
		a, ok := stmt.(*syntax.AssignStmt)
		if !ok || a.Op != syntax.EQ {
			continue
		}
		if id, ok := a.LHS.(*syntax.Ident); ok && id.Name == name {
			found = a.RHS
		}
	}
	return found
}
