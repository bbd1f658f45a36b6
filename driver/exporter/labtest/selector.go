package labtest

import (
	"fmt"
	"slices"
	"strings"
)

// selector is a label selector of Kubernetes: all terms must hold.
type selector []term

// term is one condition on labels. It holds if the label has one of the values,
// or, without values, if the label is there; not turns it around.
type term struct {
	key    string
	values []string
	not    bool
}

// parseSelector reads terms with commas between them: k=v, k==v, k!=v,
// k in (a,b), k notin (a,b), k, !k.
func parseSelector(text string) (selector, error) {
	var out selector
	for _, part := range splitTerms(text) {
		t, err := parseTerm(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("selector %q: %w", text, err)
		}
		out = append(out, t)
	}
	return out, nil
}

// splitTerms splits at the commas outside parentheses.
func splitTerms(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var out []string
	depth, begin := 0, 0
	for i, c := range text {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, text[begin:i])
				begin = i + 1
			}
		}
	}
	return append(out, text[begin:])
}

func parseTerm(text string) (term, error) {
	for _, op := range []struct {
		sign string
		not  bool
	}{{"!=", true}, {"==", false}, {"=", false}} {
		if key, value, ok := strings.Cut(text, op.sign); ok {
			return checked(term{strings.TrimSpace(key), []string{strings.TrimSpace(value)}, op.not}, text)
		}
	}
	if head, list, ok := strings.Cut(text, "("); ok {
		words := strings.Fields(head)
		list, closed := strings.CutSuffix(list, ")")
		if len(words) != 2 || !closed || words[1] != "in" && words[1] != "notin" {
			return term{}, fmt.Errorf("%q: got no operator that is known, want in or notin", text)
		}
		t := term{key: words[0], not: words[1] == "notin"}
		for v := range strings.SplitSeq(list, ",") {
			t.values = append(t.values, strings.TrimSpace(v))
		}
		return checked(t, text)
	}
	key, not := strings.CutPrefix(text, "!")
	return checked(term{key: strings.TrimSpace(key), not: not}, text)
}

// checked refuses a term whose label or value cannot be one.
func checked(t term, text string) (term, error) {
	for _, word := range append([]string{t.key}, t.values...) {
		if strings.ContainsAny(word, " =!()") {
			return term{}, fmt.Errorf("%q: got %q, want a label or a value", text, word)
		}
	}
	if t.key == "" {
		return term{}, fmt.Errorf("%q: got no label", text)
	}
	return t, nil
}

// labels returns those that must have one value.
func (s selector) labels() map[string]string {
	out := map[string]string{}
	for _, t := range s {
		if !t.not && len(t.values) == 1 {
			out[t.key] = t.values[0]
		}
	}
	return out
}

// fits reports whether labels fulfil all terms.
func (s selector) fits(labels map[string]string) bool {
	for _, t := range s {
		value, holds := labels[t.key]
		if holds && t.values != nil {
			holds = slices.Contains(t.values, value)
		}
		if holds == t.not {
			return false
		}
	}
	return true
}
