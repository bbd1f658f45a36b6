package builtins

import (
	"errors"
	"math"
	"testing"

	"starproxy/builtins/call"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// odd are arguments that few functions expect.
func odd() []starlark.Value {
	return []starlark.Value{
		starlark.None, starlark.True, starlark.MakeInt(0), starlark.MakeInt(-1), starlark.MakeInt(3), starlark.MakeUint64(1 << 63),
		starlark.Float(math.NaN()), starlark.Float(1.5), starlark.String(""), starlark.String("["), starlark.String("$9"), starlark.Bytes("\xff"),
		starlark.NewList(nil), starlark.NewList([]starlark.Value{starlark.None, starlark.String("a")}), starlark.Tuple{},
		new(starlark.Dict), new(starlark.Set), startime.Time{},
	}
}

// TestNoPanic calls every function with arguments of all kinds: a mistake is an
// error of the function, not a panic.
func TestNoPanic(t *testing.T) {
	t.Parallel()
	slow := func(name string) bool { return costs[name].slow || name == "sleep" }
	values := odd()
	for _, m := range Modules() {
		for _, f := range m.Funcs {
			if slow(f.Name) {
				continue
			}
			fn := f.builtin(m.Name)
			thread := &starlark.Thread{Name: "test", Print: func(*starlark.Thread, string) {}}
			(&call.Call{Env: call.NewEnv(), Thread: thread, Context: t.Context()}).Attach()
			check := func(args ...starlark.Value) {
				_, err := starlark.Call(thread, fn, args, nil)
				var p *call.PanicError
				if errors.As(err, &p) {
					t.Errorf("%s%v: panics: %v", fn.Name(), starlark.Tuple(args), p.Value)
				}
			}
			check()
			for _, a := range values {
				check(a)
				for _, b := range values {
					check(a, b)
					if m.Name == "sprig" {
						check(a, b, starlark.String("ab"))
						check(starlark.String("a"), a, b)
						check(starlark.String("a"), starlark.String("b"), a, b)
					}
				}
			}
		}
	}
}

// TestMistakes checks the errors of calls that cannot mean anything.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`sprig.div(1, 0)`:                                   "sprig.div: argument 2: division by 0",
		`sprig.mod(1, 0)`:                                   "sprig.mod: argument 2: division by 0",
		`sprig.divf(1, 0)`:                                  "sprig.divf: division by 0",
		`sprig.repeat(-1, "a")`:                             "sprig.repeat: argument 1: got -1, want 0 or more",
		`sprig.indent(-1, "a")`:                             "sprig.indent: argument 1: got -1, want 0 or more",
		`sprig.nindent(-2, "a")`:                            "sprig.nindent: argument 1: got -2, want 0 or more",
		`sprig.slice([1, 2], 1, 3)`:                         "sprig.slice: got the range 1 to 3, want one within 0 to 2",
		`sprig.slice([1, 2, 3], 0, 4)`:                      "sprig.slice: got the range 0 to 4, want one within 0 to 3",
		`sprig.mustSlice([1, 2], 2, 1)`:                     "sprig.mustSlice: got the range 2 to 1, want one within 0 to 2",
		`sprig.slice("ab", 0, 1)`:                           `sprig.slice: argument 1: got string "ab", want list`,
		`sprig.substr(2, 1, "abc")`:                         "sprig.substr: got the range 2 to 1, want one within 0 to 3",
		`sprig.substr(5, 9, "abc")`:                         "sprig.substr: got the range 5 to 9, want one within 0 to 3",
		`sprig.substr(-1, 9, "abc")`:                        "sprig.substr: got the range -1 to 9, want one within 0 to 3",
		`sprig.chunk(0, [1])`:                               "sprig.chunk: argument 1: got 0, want 1 or more",
		`sprig.chunk(1, None)`:                              "sprig.chunk: argument 2: got NoneType, want list",
		`sprig.first(None)`:                                 "sprig.first: argument 1: got NoneType, want list",
		`sprig.mustFirst({})`:                               "sprig.mustFirst: argument 1: got dict, want list",
		`sprig.concat([1], 2)`:                              "sprig.concat: argument 2: got int 2, want list",
		`sprig.has(1, 2)`:                                   "sprig.has: argument 2: got int 2, want list",
		`sprig.dig("a")`:                                    "sprig.dig: got 1 arguments, want one or more keys, a default and a dict",
		`sprig.dig("a", 0, None)`:                           "sprig.dig: argument 3: got NoneType, want dict",
		`sprig.dig(1, 0, {})`:                               "sprig.dig: argument 1: got int 1, want string",
		`sprig.dig("a", "b", 0, {"a": 1})`:                  "sprig.dig: the value at a: got int 1, want dict",
		`sprig.urlParse("http://[")`:                        `sprig.urlParse: unable to parse url: parse "http://[": missing ']' in host`,
		`sprig.urlJoin({"host": 1})`:                        "sprig.urlJoin: unable to parse host key, must be of type string, but int64 found",
		`sprig.b64dec("%")`:                                 "sprig.b64dec: illegal base64 data at input byte 0",
		`sprig.b32dec("1")`:                                 "sprig.b32dec: illegal base32 data at input byte 0",
		`sprig.genPrivateKey("x")`:                          "sprig.genPrivateKey: Unknown type x",
		`sprig.htpasswd("a:b", "c")`:                        `sprig.htpasswd: argument "a": got "a:b", want a name without a colon and line ends`,
		`sprig.derivePassword(1, "x", "p", "u", "s")`:       "sprig.derivePassword: cannot find password template x",
		`sprig.regexMatch("[", "a")`:                        "sprig.regexMatch: error parsing regexp: missing closing ]: `[`",
		`sprig.regexReplaceAll("(a)", "a", "$1b")`:          `sprig.regexReplaceAll: argument 3: $1b: the pattern has no group "1b"; group 1 followed by "b" is ${1}b`,
		`re.sub("v([0-9]+)", "$1rc", "v1")`:                 `re.sub: argument "repl": $1rc: the pattern has no group "1rc"; group 1 followed by "rc" is ${1}rc`,
		`re.sub("(a)", "$2", "a")`:                          `re.sub: argument "repl": $2: got group 2, want 0 to 1; a dollar sign is $$`,
		`re.sub("(a)", "$99999999999999999999", "a")`:       `re.sub: argument "repl": $99999999999999999999: got group 99999999999999999999, want 0 to 1; a dollar sign is $$`,
		`re.sub("a", "$HOME", "a")`:                         `re.sub: argument "repl": $HOME: the pattern has no group "HOME"; a dollar sign is $$`,
		`re.sub("a", "${1x}", "a")`:                         `re.sub: argument "repl": $1x: the pattern has no group "1x"; a dollar sign is $$`,
		`re.sub("(?P<n>a)", "${n}$n_", "a")`:                `re.sub: argument "repl": $n_: the pattern has no group "n_"; a dollar sign is $$`,
		`re.search("(", "a")`:                               "re.search: error parsing regexp: missing closing ): `(`",
		`re.search("(?=a)b", "a")`:                          "re.search: error parsing regexp: invalid or unsupported Perl syntax: `(?=` (RE2 has no (?=, (?!, (?<= and (?<!, and no references such as \\1)",
		`re.search("(a)\\1", "a")`:                          "re.search: error parsing regexp: invalid escape sequence: `\\1` (RE2 has no (?=, (?!, (?<= and (?<!, and no references such as \\1)",
		`sprig.substr(1, -1, "abc")`:                        "",
		`sprig.substr(0, 9, "abc")`:                         "",
		`sprig.slice([], 0, 0)`:                             "",
		`sprig.slice([1, 2], 1)`:                            "",
		`sprig.has(1, None)`:                                "",
		`sprig.dig("a", "b", 0, {"a": {"b": 1}})`:           "",
		`sprig.dig("x", "b", 0, {"a": 1})`:                  "",
		`sprig.first(("a", "b"))`:                           "",
		`re.sub("(a)(?P<n>b)?", "$0${1}x$n$$1 $ ${", "ab")`: "",
		`sprig.regexReplaceAll("(a)", "a", "${1}b")`:        "",
		`sprig.regexReplaceAllLiteral("(a)", "a", "$1b")`:   "",
		`sprig.mustRegexReplaceAllLiteral("a", "a", "$1b")`: "",
	} {
		thread := &starlark.Thread{Name: "test"}
		(&call.Call{Env: call.NewEnv(), Thread: thread, Context: t.Context()}).Attach()
		_, err := starlark.EvalOptions(new(syntax.FileOptions), thread, "t.star", expr, Names(Everywhere))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
}

// TestSprigJSONOutOfRange checks that a number no float holds is an error.
func TestSprigJSONOutOfRange(t *testing.T) {
	t.Parallel()
	if v, err := sprigFromJSON(false)(nil, call.Args{Func: "sprig.fromJson", Positional: starlark.Tuple{starlark.String("1e400")}}); err == nil {
		t.Errorf("sprig.fromJson of 1e400 = %v, want an error", v)
	}
}
