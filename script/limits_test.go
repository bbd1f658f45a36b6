package script_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"starproxy/script"
)

// TestLimits checks that an expression that would never end, or fill the
// memory, ends with an error that names the limit and the place, and that the
// host goes on to work.
func TestLimits(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{MaxSteps: 200_000, MaxTime: 10 * time.Second})
	impatient := newHost(script.Options{MaxTime: 30 * time.Millisecond})
	for name, c := range map[string]struct {
		host     *script.Host
		in, want string
	}{
		"endless loop":         {h, "{{ [x for x in range(1 << 40) if x < 0] }}", "step limit exceeded: more than 200000 steps without a wait (scripts.max_steps)"},
		"deep recursion":       {newHost(script.Options{}), "{{ (lambda f: f(f))(lambda f: [f(f)]) }}", "stack overflow"},
		"endless iterable":     {h, "{{ list(range(1 << 40)) }}", "list: 1099511627776 elements are more than 10000000"},
		"sorting it":           {h, "{{ sorted(range(1 << 40)) }}", "sorted: 1099511627776 elements"},
		"sleeps for ever":      {impatient, "{{ [sleep('1ms') for x in range(1 << 40)] }}", "time limit exceeded: more than 30ms (scripts.max_time)"},
		"sleeps long":          {impatient, "{{ sleep('1h') }}", "time limit exceeded"},
		"computes long":        {impatient, "{{ [x for x in range(1 << 40) if x < 0] }}", "limit exceeded"},
		"limits not caught":    {h, "{{ try_(lambda: [x for x in range(1 << 40) if x < 0]) }}", "step limit exceeded"},
		"enormous text":        {h, "{{ 'x' * (1 << 40) }}", "memory limit exceeded: * would make more than 268435456 bytes at once (scripts.max_memory)"},
		"times an operator":    {h, "{{ [0] * 1000000000 }}", "memory limit exceeded: * would make"},
		"times a large number": {h, "{{ (1 << 511) * (1 << 511) * ('x' * (1 << 62)) }}", "memory limit exceeded: * would make"},
		"squares":              {h, "{{ (lambda f: f(f, 7, 60))(lambda f, x, n: f(f, x * x, n - 1) if n else x) }}", "the product has more than 1048576 bits"},
		"join":                 {h, "{{ ''.join(['x' * 1000000] * 1000000) }}", "memory limit exceeded: join would make"},
		"a method kept":        {h, "{{ (lambda f: f(['x' * 1000000] * 1000000))(''.join) }}", "memory limit exceeded: join would make"},
		"a method by name":     {h, "{{ getattr('', 'join')(['x' * 1000000] * 1000000) }}", "memory limit exceeded: join would make"},
		"replace":              {h, "{{ ('a' * 1000000).replace('a', 'x' * 1000000) }}", "memory limit exceeded: replace would make"},
		"percent":              {h, "{{ '%s' % [['x' * 1000000] * 1000000] }}", "memory limit exceeded: % would make"},
		"format":               {h, "{{ ('{0}' * 100000).format('x' * 100000) }}", "memory limit exceeded: format would make"},
		"str":                  {h, "{{ str(['x' * 1000000] * 1000000) }}", "memory limit exceeded: str would make"},
		"JSON of many":         {h, "{{ json.encode(['x' * 1000000] * 1000000) }}", "memory limit exceeded: json.encode would make"},
		"JSON of tuples":       {h, "{{ (lambda f: f(f, (1,), 60))(lambda f, x, n: f(f, (x, x), n - 1) if n else x) }}", "value has more than 4000000 parts"},
		"JSON indented":        {h, "{{ json.indent('[' * 900 + '1,' * 1000000 + '1' + ']' * 900, indent = ' ' * 60) }}", "memory limit exceeded: json.indent would make"},
		"arguments":            {h, "{{ max(*range(1 << 40)) }}", "*args: 1099511627776 elements"},
		"set union":            {h, "{{ set([1]).union(range(1 << 40)) }}", "1099511627776 elements are more than"},
		"parts":                {h, "{{ len((',' * 20000000).split(',')) }}", "20000001 parts are more than"},
		"letters":              {h, "{{ list(('a' * 20000000).codepoints()) }}", "20000000 elements are more than"},
		"digits":               {h, "{{ int('9' * 10000000) }}", "int: text of 10000000 bytes"},
		"sprig.repeat":         {h, "{{ sprig.repeat(1000000, 'x' * 1000000) }}", "memory limit exceeded: sprig.repeat would make"},
		"sprig.replace":        {h, "{{ sprig.replace('a', 'x' * 1000000, 'a' * 1000000) }}", "memory limit exceeded: sprig.replace would make"},
		"sprig.join":           {h, "{{ sprig.join('x' * 1000000, ['a'] * 1000000) }}", "memory limit exceeded: sprig.join would make"},
		"sprig.indent":         {h, "{{ sprig.indent(1000000, 'a\\n' * 1000000) }}", "memory limit exceeded: sprig.indent would make"},
		"sprig.toJson":         {h, "{{ sprig.toJson(['x' * 1000000] * 1000000) }}", "memory limit exceeded: sprig.toJson would make"},

		"deep value":            {h, "{{ json.decode('[' * 100000) }}", "nested deeper than 1000 levels"},
		"deep own value":        {h, "{{ (lambda f: f(f, 2000))(lambda f, n: [f(f, n - 1)] if n else []) }}", "nested deeper than 1000 levels"},
		"many random bytes":     {h, "{{ sprig.randBytes(1 << 30) }}", "1073741824 is more than"},
		"panic in a library":    {h, "{{ sprig.semverCompare('^1', [1]) }}", "sprig.semverCompare"},
		"division in a library": {h, "{{ sprig.div(1, 0) }}", "a.yaml:3:14: sprig.div: argument 2: division by 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tm, err := c.host.Template(c.in, script.Position{File: "a.yaml", Line: 3, Column: 5})
			if err != nil {
				t.Fatal(err)
			}
			x := newExchange("GET", "/", "")
			_, err = tm.Render(t.Context(), x)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want %s", err, c.want)
			}
			var e *script.Error
			if !errors.As(err, &e) {
				t.Errorf("error is a %T", err)
			}
			ok, err := c.host.Template("{{ 1 + 1 }}", script.Position{})
			if err != nil {
				t.Fatal(err)
			}
			if v, err := ok.Render(t.Context(), x); v != int64(2) || err != nil {
				t.Errorf("afterwards the host gives %v, %v", v, err)
			}
		})
	}
}

// TestDeepBacktrace checks that the calls of an endless recursion are told in
// a few lines, not in one for each of 100,000.
func TestDeepBacktrace(t *testing.T) {
	t.Parallel()
	tm, err := newHost(script.Options{}).Template("{{ (lambda f: f(f))(lambda f: [f(f)]) }}", script.Position{File: "a.yaml", Line: 3, Column: 5})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tm.Render(t.Context(), newExchange("GET", "/", ""))
	var e *script.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v", err)
	}
	trace := e.Backtrace()
	if n := strings.Count(trace, "\n"); n > 50 || !strings.Contains(trace, "more calls") || !strings.Contains(trace, "in template") {
		t.Errorf("%d lines: %.2000s", n, trace)
	}
}

// TestCancel checks that a script ends when nobody waits for it any more,
// whether it waits or computes.
func TestCancel(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"{{ sleep('1h') }}", "{{ [x for x in range(1 << 40) if x < 0] }}"} {
		h := newHost(script.Options{MaxSteps: 1 << 50, MaxTime: time.Hour})
		tm, err := h.Template(in, script.Position{File: "a.yaml"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := tm.Render(ctx, newExchange("GET", "/", ""))
			done <- err
		}()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error is %v, want context.Canceled", in, err)
		}
	}
}

// TestLargeText renders 100 MB and checks that the memory comes back.
func TestLargeText(t *testing.T) {
	h := newHost(script.Options{})
	tm, err := h.Template("{{ 'x' * 100000000 }}", script.Position{})
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	v, err := tm.Render(t.Context(), nil)
	if s, _ := v.(string); len(s) != 100_000_000 || err != nil {
		t.Fatalf("got %d bytes, %v", len(s), err)
	}
	v = nil
	if after := heap(); after > before+10<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"plain", "{{uuid}}", "a{{ 1 }}b{{ 'x' }}", "{{ {'a': {1: 2}} }}", "{{ random_choice(a b, \"c,d\") }}",
		"{{request_body_json(items.0.x)}}", "{{ [x for x in range(3)] }}", "{{ \"}}\" }}", "{{", "{{}}", "{{ lambda: 1 }}",
		"{{ (lambda f: f(f))(lambda f: f(f)) }}", "{{ a-b }}", "{{ state(k, 'ü') }}", "{{ x if y else z }}", "{{ not(a) }}{{-}}",
	} {
		f.Add(s)
	}
	h := newHost(script.Options{MaxSteps: 20_000, MaxTime: time.Second})
	f.Fuzz(func(t *testing.T, s string) {
		slow := time.AfterFunc(5*time.Second, func() { panic("hangs: " + s) })
		defer slow.Stop()
		tm, err := h.Template(map[string]any{"v": s}, script.Position{File: "a.yaml", Line: 1, Column: 1})
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		tm.Render(ctx, exampleExchange())
		tm.JSON(ctx, exampleExchange())
		if tm.Static() && strings.Contains(s, "{{") {
			t.Errorf("%q has no expression", s)
		}
	})
}

// What a script quotes in its error may be long: of that the begin is told, in
// every way in which one fails.
func TestLongErrors(t *testing.T) {
	t.Parallel()
	h := newHost(script.Options{MaxSteps: 1 << 40})
	for _, body := range []string{
		"fail('x' * 10000000)", "fail('é' * 5000000)", "read_file('x' * 10000000)", "fault('x' * 10000000)", "{}['x' * 10000000]",
		"return response(status = 'x' * 10000000)", "return {'x' * 10000000: 1}",
		"json.decode('x' * 10000000)", "int('x' * 10000000)", "time.parse_duration('x' * 1000000)", "getattr(req, 'x' * 10000000)", "state.incr('x' * 10000000, 'a')",
	} {
		err := explode(h, 0, body)
		if err == nil {
			t.Errorf("%s: no error", body)
			continue
		}
		if text := err.Error(); utf8.RuneCountInString(text) > 10<<10 || !strings.HasPrefix(text, "bomb0.star:") || !utf8.ValidString(text) {
			t.Errorf("%s: %d bytes: %.200s", body, len(text), text)
		}
	}
}
