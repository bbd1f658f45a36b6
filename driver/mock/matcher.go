package mock

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/pattern"
)

// Matcher is a condition on the values in one place of a request, for example the
// values of a query parameter or the value at a path of a JSON body. It holds when
// one of the values passes all of its tests. The zero Matcher holds when there is any
// value.
//
// A Matcher is filled by Add and not changed afterwards. Then any number of
// goroutines may use it.
type Matcher struct {
	tests []test     // one value must pass all of them
	none  bool       // there must be no value
	some  bool       // there must be a value: absent: false was given
	inner []*Matcher // these must not hold
	words []string   // the words that were added
}

// test is one word of a matcher with its argument.
type test struct {
	word   string
	want   any
	re     *pattern.Pattern
	schema *jsonschema.Schema
}

// Words returns the words of matchers.
func Words() []string {
	return []string{"equals", "regex", "contains", "one_of", "absent", "gt", "gte", "lt", "lte", "not"}
}

// Expected is the error about an operand of the wrong kind. Its text is the expected
// kind.
type Expected string

func (e Expected) Error() string { return "expected " + string(e) }

// Add adds a test. The operand is text for regex, a bool for absent, a list of values
// for one_of, a *Matcher for not, and a value for equals and contains. For gt, gte, lt
// and lte it is a number; a [json.Number] stays exact. A value is text, or a JSON
// value if the matcher is for JSON.
func (m *Matcher) Add(word string, operand any) error {
	if m.words = append(m.words, word); len(m.words) > 1 && (m.none || word == "absent" && operand == true) {
		return fmt.Errorf("absent: true goes with no other word: what is not there has no value")
	}
	t := test{word: word, want: operand}
	switch word {
	case "absent":
		absent, ok := operand.(bool)
		if !ok {
			return Expected("true or false")
		}
		m.none, m.some = absent, !absent
		return nil
	case "not":
		inner, ok := operand.(*Matcher)
		if !ok {
			return Expected("a value or a matcher")
		}
		m.inner = append(m.inner, inner)
		return nil
	case "regex":
		text, ok := operand.(string)
		if !ok {
			return Expected("a regular expression")
		}
		var err error
		if t.re, err = pattern.Compile(text); err != nil {
			return err
		}
	case "one_of":
		if list, ok := operand.([]any); !ok || len(list) == 0 {
			return Expected("a list of values")
		}
	case "gt", "gte", "lt", "lte":
		if _, ok := jsonvalue.Compare(operand, operand); !ok {
			return Expected("a number")
		}
	case "equals", "contains":
	default:
		return fmt.Errorf("%q is no word of a matcher", word)
	}
	m.tests = append(m.tests, t)
	return nil
}

// Equal returns the matcher of a plain value.
func Equal(v any) *Matcher {
	return &Matcher{tests: []test{{word: "equals", want: v}}}
}

// holds reports whether the values fulfil m.
func (m *Matcher) holds(values []any) bool {
	if m.none {
		return len(values) == 0
	}
	for _, inner := range m.inner {
		if inner.holds(values) {
			return false
		}
	}
	if len(m.tests) == 0 {
		return len(values) > 0 || len(m.inner) > 0 && !m.some
	}
	return slices.ContainsFunc(values, func(v any) bool {
		for i := range m.tests {
			if !m.tests[i].holds(v) {
				return false
			}
		}
		return true
	})
}

// maxMatching limits the work of a regular expression: the bytes of the text times
// the instructions of the expression. The limit is some seconds.
const maxMatching = 400_000_000

func (t *test) holds(v any) bool {
	switch t.word {
	case "equals":
		return equal(v, t.want)
	case "one_of":
		return slices.ContainsFunc(t.want.([]any), func(want any) bool { return equal(v, want) })
	case "regex":
		text, ok := scalar(v)
		return ok && len(text) <= t.longest() && t.re.MatchString(text)
	case includes, hasSchema:
		return t.breach(v) == ""
	case "contains":
		if list, ok := v.([]any); ok {
			return slices.ContainsFunc(list, func(e any) bool { return jsonvalue.Equal(e, t.want) })
		}
		text, ok := scalar(v)
		part, isText := scalar(t.want)
		return ok && isText && strings.Contains(text, part)
	}
	c, ok := jsonvalue.Compare(amount(v), t.want)
	switch {
	case !ok:
		return false
	case t.word == "gt":
		return c > 0
	case t.word == "gte":
		return c >= 0
	case t.word == "lt":
		return c < 0
	}
	return c <= 0
}

// longest returns the length of the longest text that the expression is matched
// against.
func (t *test) longest() int { return maxMatching / max(1, t.re.Size) }

// text is a value of a place that has only text, such as a header. It is compared
// with a number as the number that is written in it.
type text string

// equal compares text as text, JSON values as [jsonvalue.Equal] does.
func equal(v, want any) bool {
	s, ok := v.(text)
	if !ok {
		return jsonvalue.Equal(v, want)
	}
	w, ok := scalar(want)
	return ok && string(s) == w
}

// scalar returns the text of a value that is text, a number or a bool.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case text:
		return string(v), true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}

// amount returns the number in a text, if there is one, or else v itself.
func amount(v any) any {
	s, ok := v.(text)
	if !ok {
		return v
	}
	number := strings.TrimPrefix(strings.TrimSpace(string(s)), "+")
	if strings.Trim(number, "+-.0123456789eE") != "" {
		return nil
	}
	if _, err := strconv.ParseFloat(number, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil
	}
	return json.Number(number)
}

// String describes m. The text is written after "expected".
func (m *Matcher) String() string {
	if m.none {
		return "none"
	}
	var list []string
	for _, t := range m.tests {
		list = append(list, t.String())
	}
	for _, inner := range m.inner {
		list = append(list, "not "+inner.String())
	}
	if len(list) == 0 {
		return "any value"
	}
	return strings.Join(list, " and ")
}

func (t *test) String() string {
	switch t.word {
	case "regex":
		s := "a match of " + excerpt.Quote(t.re.String())
		if n := t.longest(); n < maxMatchBody {
			s += fmt.Sprintf(" in at most %d bytes", n)
		}
		return s
	case "contains":
		return "to contain " + show(t.want)
	case "one_of":
		list := t.want.([]any)
		words := make([]string, len(list))
		for i, v := range list {
			words[i] = show(v)
		}
		return "one of " + strings.Join(words, ", ")
	case "gt":
		return "a number greater than " + show(t.want)
	case "gte":
		return "a number of at least " + show(t.want)
	case "lt":
		return "a number less than " + show(t.want)
	case "lte":
		return "a number of at most " + show(t.want)
	case includes:
		return "to include " + show(t.want)
	case hasSchema:
		return "to conform to the schema " + show(t.want)
	}
	return show(t.want)
}

// show returns the text of a value for an explanation.
func show(v any) string {
	if s, ok := v.(text); ok {
		return excerpt.Quote(string(s))
	}
	if s, ok := v.(string); ok {
		return excerpt.Quote(s)
	}
	return compact(v)
}

// Interface guards.
var (
	_ error        = Expected("")
	_ fmt.Stringer = (*Matcher)(nil)
)
