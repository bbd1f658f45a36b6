package exchange

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Public returns the text of an error for devices: files are named without the
// directories of this machine. The error itself keeps them for its owner.
func Public(err error) string {
	text := err.Error()
	if !strings.ContainsRune(text, filepath.Separator) {
		return text
	}
	for _, path := range paths(err, nil) {
		if filepath.IsAbs(path) {
			text = strings.ReplaceAll(text, path, filepath.Base(path))
		}
	}
	return place.ReplaceAllString(text, "$1")
}

// place is a line in a document or script of ours, with its directory.
var place = regexp.MustCompile(`(?:/[^\s/:"']+)*/([^\s/:"']+\.(?:star|yaml|yml|json):\d+)`)

// Naming returns err, whose text names paths of this machine that [Public] has
// to shorten.
func Naming(err error, paths ...string) error { return &naming{err, paths} }

type naming struct {
	error
	paths []string
}

func (n *naming) Unwrap() error   { return n.error }
func (n *naming) Paths() []string { return n.paths }

// paths appends the paths that err and its causes name.
func paths(err error, to []string) []string {
	switch e := err.(type) {
	case nil:
		return to
	case *fs.PathError:
		to = append(to, e.Path)
	case *os.LinkError:
		to = append(to, e.Old, e.New)
	case interface{ Paths() []string }:
		to = append(to, e.Paths()...)
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return paths(e.Unwrap(), to)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			to = paths(err, to)
		}
	}
	return to
}
