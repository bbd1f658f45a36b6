package script

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starproxy/builtins"
)

// maxFaults bounds the faults of one script that are told.
const maxFaults = 100

// Faults lists the mistakes in a script that show without running it, in their order in the
// text: errors of syntax, names that nothing defines, members that a module lacks, and calls
// of known functions with wrong arguments. After an error of syntax the next statement is
// looked at. name is the path of the file; with the end _test.star it has the names of
// tests. A script without faults can still fail when it is loaded.
func Faults(name string, src []byte) []*Error {
	if err := nesting(src); err != nil {
		return []*Error{{Pos: Position{File: name}, Message: err.Error(), Err: err}}
	}
	scope := builtins.Everywhere
	if strings.HasSuffix(name, testSuffix) {
		scope = builtins.Tests
	}
	names := builtins.Names(scope)
	file, faults, open := parseAll(name, src)
	known := func(name string) bool { return names.Has(name) || open[name] }
	if err := resolve.File(file, known, starlark.Universe.Has); err != nil {
		var list resolve.ErrorList
		errors.As(err, &list)
		for _, e := range list {
			faults = append(faults, newErrorAmong(resolve.ErrorList{e}, builtins.Visible(names)))
		}
	}
	faults = append(faults, checkCalls(file, scope)...)
	slices.SortStableFunc(faults, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return faults[:min(len(faults), maxFaults)]
}

// nameInText matches what may be a name in a statement that can't be parsed.
var nameInText = regexp.MustCompile(`[A-Za-z_]\w*`)

// parseAll parses a script, statement by statement if it has errors of syntax. The file has
// the statements that are right. open has the names in the others, which may define them.
func parseAll(name string, src []byte) (file *syntax.File, faults []*Error, open map[string]bool) {
	file, err := dialect().Parse(name, src, 0)
	if err == nil {
		return file, nil, nil
	}
	first := newError(err)
	file, open = &syntax.File{Path: name, Options: dialect()}, map[string]bool{}
	lines := strings.SplitAfter(string(src), "\n")
	starts := statementStarts(lines)
	for i := 0; i < len(starts) && len(faults) < maxFaults; {
		stmts, next, err := parseStatement(name, lines, starts, i)
		if err != nil {
			faults = append(faults, err)
			for _, word := range nameInText.FindAllString(strings.Join(lines[starts[i]:end(lines, starts, next)], ""), -1) {
				open[word] = true
			}
		}
		file.Stmts = append(file.Stmts, stmts...)
		i = next
	}
	if len(faults) == 0 { // only the whole is wrong
		return file, []*Error{first}, open
	}
	if faults[0].Pos.Line >= first.Pos.Line || strings.Contains(faults[0].Message, statementEnd) {
		faults[0] = first
	}
	return file, faults, open
}

// maxJoined bounds the lines at the margin that one statement can have, as those of a long
// string.
const maxJoined = 200

// statementEnd is the token of an error at the end of a statement.
const statementEnd = "got the end of the statement"

// parseStatement parses the statement that begins at starts[i], with as many of the lines
// after it at the margin as it needs. next is the number of the start after it.
func parseStatement(name string, lines []string, starts []int, i int) (stmts []syntax.Stmt, next int, fault *Error) {
	before := strings.Repeat("\n", starts[i])
	for j := i + 1; j <= min(len(starts), i+maxJoined); j++ {
		file, err := dialect().Parse(name, before+strings.Join(lines[starts[i]:end(lines, starts, j)], ""), 0)
		if err == nil {
			return file.Stmts, j, nil
		}
		if fault == nil {
			fault = newError(err)
		}
		if !strings.Contains(err.Error(), "got end of file") && !strings.Contains(err.Error(), "unexpected EOF") {
			break
		}
	}
	if strings.Contains(fault.Message, "unexpected EOF") { // all the rest may be in the string
		return nil, len(starts), fault
	}
	fault.Message = strings.Replace(fault.Message, "got end of file", statementEnd, 1)
	return nil, i + 1, fault
}

// end returns the line after the statement before starts[i].
func end(lines []string, starts []int, i int) int {
	if i < len(starts) {
		return starts[i]
	}
	return len(lines)
}

// statementStarts returns the numbers of the lines, from 0, that begin a statement at the
// margin: neither empty nor a comment, and no part of the statement before it.
func statementStarts(lines []string) []int {
	var starts []int
	for i, line := range lines {
		text := strings.TrimRight(line, "\r\n")
		joined := i > 0 && strings.HasSuffix(strings.TrimRight(lines[i-1], "\r\n"), "\\")
		if joined || text == "" || strings.ContainsAny(text[:1], " \t#)]}") {
			continue
		}
		if word := nameInText.FindString(text); (word == "else" || word == "elif") && strings.HasPrefix(text, word) {
			continue
		}
		starts = append(starts, i)
	}
	return starts
}
