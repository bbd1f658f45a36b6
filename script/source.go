package script

import (
	"errors"
	"fmt"

	"go.starlark.net/syntax"
)

// dialect returns the options of Starlark for scripts.
func dialect() *syntax.FileOptions {
	return &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, Recursion: true}
}

// The bounds of the text of a script. The parser is recursive.
const (
	maxNesting = 500 // brackets in each other, or signs in a row
	maxSource  = 1 << 20
)

// nesting refuses a text that would exhaust the stack of the parser.
func nesting(src []byte) error {
	if len(src) > maxSource {
		return errors.New("script is larger than 1 MiB")
	}
	depth, run := 0, 0
	for _, c := range src {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case '-', '+', '~':
			run++
			if run > maxNesting {
				return fmt.Errorf("more than %d signs in a row", maxNesting)
			}
			continue
		case ' ':
			continue
		}
		run = 0
		if depth > maxNesting {
			return fmt.Errorf("brackets are nested deeper than %d", maxNesting)
		}
	}
	return nil
}
