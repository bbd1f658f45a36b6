package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"starproxy/driver/expect"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// scriptCmd groups the tools for scripts.
type scriptCmd struct {
	Check scriptCheckCmd `cmd:"" help:"Check scripts and scenarios for mistakes."`
	Fmt   scriptFmtCmd   `cmd:"" help:"Lay scripts out as buildifier does."`
	Test  scriptTestCmd  `cmd:"" help:"Run the tests of scripts and scenarios."`
	Repl  scriptReplCmd  `cmd:"" help:"Try statements and requests at a prompt."`
	Doc   scriptDocCmd   `cmd:"" help:"Print what scripts can call."`
	Stubs scriptStubsCmd `cmd:"" help:"Write what scripts can call for the language servers of editors."`
}

// scriptDirs are the directories that scenarios refer to.
type scriptDirs struct {
	FilesDir  string `placeholder:"DIR" help:"Where the files that mocks serve lie; default the directory of the script."`
	AddonsDir string `placeholder:"DIR" help:"Where addons lie; default addons beside the script or its directory, else the directory of the script."`
}

// env returns the environment in which scenarios beside a script are compiled.
func (d scriptDirs) env(dir string) scenario.Env {
	env := scenario.Env{FilesDir: d.FilesDir, AddonsDir: d.AddonsDir}
	if env.FilesDir == "" {
		env.FilesDir = dir
	}
	if env.AddonsDir == "" {
		env.AddonsDir = dir
		// As below the data directory: addons beside mock-responses.
		for _, near := range []string{filepath.Join(dir, "addons"), filepath.Join(dir, "..", "addons"),
			filepath.Join(dir, "..", "..", "addons")} {
			if info, err := os.Stat(near); err == nil && info.IsDir() {
				env.AddonsDir = near
				break
			}
		}
	}
	return env
}

// scriptOptions returns those of every host of the tools.
func scriptOptions() script.Options {
	return script.Options{Merge: mock.Merge, Match: scenario.Matching, Expect: expect.Made}
}

// source is a file that a tool was asked about.
type source struct {
	// root is the directory that load statements see, file the path below it.
	root, file string
	// named means that the file itself was asked for, not a directory.
	named bool
}

// path returns where the file lies.
func (s source) path() string { return filepath.Join(s.root, s.file) }

// sources lists the files that paths mean: each file, and those below each
// directory that want accepts, in alphabetical order. What begins with a dot
// is left out.
func sources(paths []string, want func(path string) bool) ([]source, error) {
	var found []source
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			found = append(found, source{filepath.Dir(path), filepath.Base(path), true})
			continue
		}
		err = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case file != path && strings.HasPrefix(d.Name(), "."):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			case d.IsDir() || !want(file):
				return nil
			}
			rel, err := filepath.Rel(path, file)
			found = append(found, source{path, rel, false})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
