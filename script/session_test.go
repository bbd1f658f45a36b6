package script_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"starproxy/script"
)

func TestSession(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"lib.star": "def twice(x):\n    return 2 * x\n",
		"a.star":   "load('lib.star', 'twice')\nlimit = 3\ndef hit(req):\n    return response(body = twice(limit))\nendpoints = {'GET /hit': hit}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	s, err := script.NewSession(testOptions(), filepath.Join(dir, "a.star"), &out)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, step := range []struct{ in, want, fails string }{
		{"_", "", "undefined: _"},
		{"limit", "3", ""},
		{"call('GET /hit')", "<answer 200 6>", ""},
		{"x = [1,\n2]", "", ""},
		{"x", "[1, 2]", ""},
		{"def f():\n    return x + [3]\n", "", ""},
		{"f()", "[1, 2, 3]", ""},
		{"load('lib.star', 'twice')", "", ""},
		{"twice('ab')", `"abab"`, ""},
		{"limit = 4", "", ""},
		{"limit", "4", ""},
		{"y = 1 // 0", "", "repl:1:7: floored division by zero"},
		{"call('GET /nothing')", "", "no endpoint answers it"},
		{"nil", "", "write None"},
		{"f(", "", "the input ends in the middle"},
		{"20 + 1", "21", ""},
		{"None", "", ""},
		{"twice(_)", "42", ""},
		{"print('seen')", "", ""},
		{"before = time.now()", "", ""},
		{"clock.advance('1h')", "", ""},
		{"time.now() - before >= time.parse_duration('1h')", "True", ""},
	} {
		lines := strings.Split(step.in, "\n")
		got, err := s.Eval(t.Context(), func(bool) (string, error) {
			if len(lines) == 0 {
				return "", io.EOF
			}
			line := lines[0]
			lines = lines[1:]
			return line, nil
		})
		switch {
		case step.fails != "":
			if err == nil || !strings.Contains(err.Error(), step.fails) {
				t.Errorf("%q: got error %v, want %q", step.in, err, step.fails)
			}
		case err != nil || got != step.want:
			t.Errorf("%q: got %q, %v; want %q", step.in, got, err, step.want)
		}
	}
	if out.String() != "seen\n" {
		t.Errorf("printed %q", out.String())
	}
	if _, err := s.Eval(t.Context(), func(bool) (string, error) { return "", io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: got %v", err)
	}
	if doc, ok := s.Doc("twice"); !ok || doc != "twice(x)" {
		t.Errorf("documentation: got %q, %v", doc, ok)
	}
	if doc, ok := s.Doc("len"); ok {
		t.Errorf("documentation of what is no function of a script: got %q", doc)
	}
	for line, want := range map[string][]string{
		"x + twi":    {"twice"},
		"state.po":   {"state.pop"},
		"f(clock.a":  {"clock.advance"},
		"nothing.at": nil,
	} {
		if _, got := s.Complete(line); !slices.Equal(got, want) {
			t.Errorf("%s: completes to %v, want %v", line, got, want)
		}
	}
}
