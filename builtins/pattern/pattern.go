// Package pattern compiles regular expressions of scripts and documents, in Go's
// RE2 syntax and within bounds: nothing can interrupt one that is being matched.
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"sync"
)

// The bounds of expressions. Matching one takes at most about 10 ns for each
// byte of the text and each instruction of the expression.
const (
	maxLength       = 16 << 10 // bytes of one expression
	maxInstructions = 20_000   // of one expression
	maxPatterns     = 500      // that a Memory keeps
	maxRemembered   = 500_000  // instructions of those
)

// Pattern is a compiled expression.
type Pattern struct {
	*regexp.Regexp
	// Size is the number of its instructions: matching takes at most about 10 ns
	// for each of them and each byte of the text.
	Size int
}

// Memory keeps the patterns that were compiled last, up to a bound: a script
// that makes patterns of texts from clients can't fill the memory with them. The
// zero value is empty. It is for any number of goroutines.
type Memory struct {
	mu    sync.Mutex
	kept  map[string]*Pattern
	total int // instructions of those kept
}

// Compile returns the pattern of an expression, compiled when it is not kept yet.
func (m *Memory) Compile(expr string) (*Pattern, error) {
	m.mu.Lock()
	p := m.kept[expr]
	m.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := Compile(expr)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= maxPatterns || m.total+p.Size > maxRemembered {
		m.kept, m.total = map[string]*Pattern{}, 0
	}
	if m.kept[expr] == nil {
		m.total += p.Size
	}
	m.kept[expr] = p
	return p, nil
}

// Compile compiles an expression. It refuses one that is too long, or that
// stands for too many instructions.
func Compile(expr string) (*Pattern, error) {
	if len(expr) > maxLength {
		return nil, fmt.Errorf("pattern of %d bytes is longer than %d", len(expr), maxLength)
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		var wrong *syntax.Error
		if errors.As(err, &wrong) && (wrong.Code == syntax.ErrInvalidPerlOp || wrong.Code == syntax.ErrInvalidEscape) {
			return nil, fmt.Errorf("%w (RE2 has no (?=, (?!, (?<= and (?<!, and no references such as \\1)", err)
		}
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > maxInstructions {
		return nil, fmt.Errorf("pattern stands for %d instructions, which is more than %d: repeat less in it", len(prog.Inst),
			maxInstructions)
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	return &Pattern{re, len(prog.Inst)}, nil
}
