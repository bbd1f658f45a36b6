package filter

import "starproxy/driver/capture"

// Part is the part of an entry that an operator looks at.
type Part string

// The parts of entries. To look at a header costs more than to look at a field, and to
// look at a body costs most.
const (
	Fields  Part = "fields"
	Headers Part = "headers"
	Bodies  Part = "bodies"
)

// Rule describes an operator to an evaluator of expressions that is not in Go. Such a
// program gets the [Subjects] of entries. It has to know nothing else of an operator.
type Rule struct {
	Operator
	// Mode has the flags of the regular expression: "s" or "m", besides "i".
	Mode string `json:"mode,omitempty"`
	Part Part   `json:"part"`
}

// Rules returns all operators, those in daily use first.
func Rules() []Rule {
	list := make([]Rule, len(rows))
	for i := range rows {
		list[i] = Rule{rows[i].Operator, rows[i].mode, rows[i].part()}
	}
	return list
}

func (op *operator) part() Part {
	switch op.cost {
	case costBlock:
		return Headers
	case costBody:
		return Bodies
	}
	return Fields
}

// Subjects are what the operators look at in an entry, by the name of the operator.
type Subjects struct {
	// Fields has true for an operator without an argument that matches the entry; the
	// number (status, nanoseconds or bytes) for one that compares a number; and the
	// texts for one with a regular expression. An operator that can't match is not in it.
	Fields map[string]any
	// Headers has header blocks. Their lines end with CR and LF. An expression with a $
	// is also matched against the block with line feeds alone.
	Headers map[string][]string
	// Bodies has decoded bodies and messages.
	Bodies map[string][][]byte
}

// SubjectsOf returns the subjects of e. Of each body and message it returns at most max
// bytes. See [Expr.Filter] for messages and notes.
func SubjectsOf(e *capture.Entry, messages Messages, notes Annotations, max int64) *Subjects {
	s := &subject{e: e, messages: messages, notes: notes, max: max}
	all := &Subjects{Fields: map[string]any{}, Headers: map[string][]string{}, Bodies: map[string][][]byte{}}
	for i := range rows {
		all.look(s, &rows[i])
	}
	return all
}

// look adds the subjects of one operator. It evaluates the operator with an argument
// that notes each thing that it is compared with.
func (all *Subjects) look(s *subject, op *operator) {
	name := op.Name
	var texts []string
	a := &argument{
		seen: func(n int64) { all.Fields[name] = n },
		re: &pattern{seen: func(text []byte) {
			if op.cost == costBody {
				all.Bodies[name] = append(all.Bodies[name], text)
				return
			}
			texts = append(texts, string(text))
		}},
	}
	matches := op.test(s, a)
	switch {
	case op.Arg == NoArg && matches:
		all.Fields[name] = true
	case len(texts) > 0 && op.cost == costBlock:
		all.Headers[name] = texts
	case len(texts) > 0:
		all.Fields[name] = texts
	}
}
