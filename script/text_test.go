package script_test

import (
	"strings"
	"testing"

	"starproxy/script"
)

// Text stays text: the space around a lone expression, numbers, quotes.
func TestTextTemplate(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	for text, want := range map[string]string{
		"":                                   "",
		"plain\n":                            "plain\n",
		" {{1 + 1}}\n":                       " 2\n",
		"{{request_param(id)}}":              "7",
		"a,b\n{{fmt(\"%05d\", 42)}};\"q\"\n": "a,b\n00042;\"q\"\n",
		"{{'<b>'}}{{None}}{{True}}":          "<b>nulltrue",
		"{{[1, 'x']}}":                       `[1,"x"]`,
		"{{18446744073709551616}}":           "18446744073709551616",
		"{{b'\\xff'}}":                       "\xff",
		"{{'{{'}}":                           "{{",
		"{{(1 +\n  2)}}":                     "3",
	} {
		tm, err := h.TextTemplate(text, script.Position{File: "t.txt", Line: 1, Column: 1})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, err := tm.Text(t.Context(), exampleExchange()); err != nil || got != want {
			t.Errorf("%q: %q, %v, expected %q", text, got, err, want)
		}
		if tm.Static() != !strings.Contains(text, "{{") {
			t.Errorf("%q: static is %v", text, tm.Static())
		}
	}
}

// Errors tell where in the text they are.
func TestTextTemplateErrors(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{})
	for text, want := range map[string]string{
		"a\nb {{oops":              `t.txt:4:3: expression without an end: want }} after "{{oops"`,
		"a\n\n é {{nothing(1)}}\n": `t.txt:5:6: {{nothing(1)}}: undefined function nothing`,
		"a {{ 1 + }}":              `t.txt:3:10: {{ 1 + }}: `,
	} {
		_, err := h.TextTemplate(text, script.Position{File: "t.txt", Line: 3, Column: 5})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, expected %s", text, err, want)
		}
	}
	tm, err := h.TextTemplate("one\ntwo {{ 1 // 0 }}", script.Position{File: "t.txt", Line: 1, Column: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tm.Text(t.Context(), exampleExchange()); err == nil || !strings.Contains(err.Error(), "t.txt:2:10: ") {
		t.Errorf("%v, expected the place of the division", err)
	}
	for text, want := range map[string]string{
		"one\ntwo {{float('nan')}}": "t.txt:2:7: {{float('nan')}}: NaN has no JSON form",
		"{{ json }}":                "t.txt:1:4: {{ json }}: module has no JSON form",
		"a {{1}}\n\n{{[len]}}":      "t.txt:3:3: {{[len]}}: builtin_function_or_method len has no JSON form",
	} {
		tm, err := h.TextTemplate(text, script.Position{File: "t.txt", Line: 1, Column: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tm.Text(t.Context(), exampleExchange()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, expected %s", text, err, want)
		}
	}
}
