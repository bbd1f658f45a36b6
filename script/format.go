package script

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/bazelbuild/buildtools/build"
	"go.starlark.net/syntax"
)

// Format lays a script out as buildifier does: four spaces, double quotes, loads at the top in
// alphabetical order. name is for errors, which are *Error with the place of a text that is
// kept as it is: it has an error of syntax, or something that the formatter can't read, such as
// an indentation with tabs.
func Format(name string, src []byte) ([]byte, error) {
	if err := nesting(src); err != nil {
		return nil, &Error{Pos: Position{File: name}, Message: err.Error(), Err: err}
	}
	file, err := dialect().Parse(name, src, 0)
	if err != nil {
		return nil, newError(err)
	}
	if standIn.Match(src) {
		return nil, &Error{Pos: Position{File: name}, Message: "a name begins with " + standInPrefix + ", which the formatter uses"}
	}
	text, kept := standInFor(file, src)
	tree, err := build.ParseDefault(name, text)
	if err != nil {
		e := &Error{Pos: Position{File: name}, Message: "not formatted: " + err.Error(), Err: err}
		var at build.ParseError
		if errors.As(err, &at) {
			e.Pos.Line, e.Pos.Column = at.Pos.Line, at.Pos.LineRune
			e.Message = "not formatted: " + at.Message
		}
		return nil, e
	}
	formatted := putBack(build.Format(tree), kept)
	if _, err := dialect().Parse(name, formatted, 0); err != nil {
		return nil, &Error{Pos: Position{File: name}, Message: "not formatted: the result would be wrong: " + err.Error(), Err: err}
	}
	return formatted, nil
}

// The formatter knows neither while statements nor bytes. Names stand in for them.
const (
	standInPrefix = "starproxy_stand_in_"
	standInWhile  = "for " + standInPrefix + "while in "
)

// standIn matches the names that stand in for what the formatter does not know.
var standIn = regexp.MustCompile(standInPrefix + `(\d+)|for ` + standInPrefix + `while in `)

// standInFor returns the text of a file with names in the place of while and of bytes. kept
// has the literals.
func standInFor(file *syntax.File, src []byte) (text []byte, kept []string) {
	type edit struct {
		at, length int
		text       string
	}
	var edits []edit
	lines := bytes.SplitAfter(src, []byte("\n"))
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.WhileStmt:
			edits = append(edits, edit{offset(lines, n.While), len("while"), standInWhile})
		case *syntax.Literal:
			if n.Token == syntax.BYTES {
				edits = append(edits, edit{offset(lines, n.TokenPos), len(n.Raw), standInPrefix + strconv.Itoa(len(kept))})
				kept = append(kept, n.Raw)
			}
		}
		return true
	})
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.at, b.at) })
	end := 0
	for _, e := range edits {
		text = append(append(text, src[end:e.at]...), e.text...)
		end = e.at + e.length
	}
	return append(text, src[end:]...), kept
}

// offset returns the byte at a position, whose column counts characters.
func offset(lines [][]byte, p syntax.Position) int {
	at := 0
	for _, line := range lines[:p.Line-1] {
		at += len(line)
	}
	for i := range string(lines[p.Line-1]) {
		if p.Col--; p.Col == 0 {
			return at + i
		}
	}
	return at
}

// putBack puts what kept has, and while, in the places of the names.
func putBack(text []byte, kept []string) []byte {
	return standIn.ReplaceAllFunc(text, func(name []byte) []byte {
		m := standIn.FindSubmatch(name)
		if len(m[1]) == 0 {
			return []byte("while ")
		}
		if i, err := strconv.Atoi(string(m[1])); err == nil && i < len(kept) {
			return []byte(kept[i])
		}
		return fmt.Appendf(nil, "%s", name)
	})
}
