// Package builtins has the functions that scripts and template expressions can
// call. Each module is a file, with the documentation of each function beside its
// code.
//
// Modules and their members are immutable and shared by all threads. Mutable data
// is in a [call.Env] and a [call.Call]. There is one Env for each script host: the
// state store, the random source, the clock, the counters. Any number of goroutines
// may use it. There is one Call for each running thread, which alone may use it.
//
// Package script runs the threads that call these functions. The command line prints
// the documentation.
package builtins

import (
	"slices"
	"strings"
	"unicode"

	"starproxy/builtins/call"
	"starproxy/builtins/trial"
	"starproxy/builtins/value"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Func is one function that scripts can call, with its documentation.
type Func struct {
	// Name is what scripts write, without the module: "incr".
	Name string
	// Params is the parameter list as in a def statement: "key, by=1". A test
	// compares it with the parameters that the function really reads.
	Params string
	// Doc says what the function does. Lists show its first sentence only.
	Doc string
	// Example is Starlark that can be run unchanged. "EXPR  # => EXPR" states a
	// result, which a test checks.
	Example string

	call call.Function
}

// Const is a named value of a module.
type Const struct {
	Name, Doc string
	Value     starlark.Value
}

// Module is a namespace that scripts see under Name. The members of a module without
// a name are written without a prefix.
type Module struct {
	Name, Doc string
	Funcs     []Func
	Consts    []Const
	// Scope says where the module can be used. The zero value means everywhere.
	Scope Scope
	// Call is the member that is called when a script calls the module itself:
	// state(key) means state.get(key).
	Call string
}

// Scope is a set of places from which a module can be used.
type Scope uint8

// The scopes.
const (
	Everywhere Scope = iota
	Templates        // template expressions
	Tests            // *_test.star
)

// Modules returns the list of everything that scripts can call, in the order in
// which the reference shows it.
func Modules() []Module {
	return []Module{
		answerModule(), fileModule(), generateModule(), fmtModule(), stateModule(), cellModule(), matcherModule(), mergeModule(),
		recordModule(), laterModule(), eventModule(),
		jsonModule(), mathModule(), timeModule(), reModule(), sprigModule(), templateModule(),
		assertModule(), clockModule(), testModule(),
	}
}

// Types returns the list of values with fields of their own, in the order in
// which the reference shows them.
func Types() []value.Type { return append(value.Types(), trial.AnswerType()) }

// Names returns the predeclared names of code in a scope.
func Names(scope Scope) starlark.StringDict {
	names := guards()
	for _, m := range Modules() {
		if m.Scope != Everywhere && m.Scope != scope {
			continue
		}
		members := starlark.StringDict{}
		for _, f := range m.Funcs {
			members[f.Name] = f.builtin(m.Name)
		}
		for _, c := range m.Consts {
			members[c.Name] = c.Value
		}
		switch {
		case m.Name == "":
			for name, v := range members {
				names[name] = v
			}
		case m.Call != "":
			names[m.Name] = &callableModule{
				Module: starlarkstruct.Module{Name: m.Name, Members: members},
				call:   members[m.Call].(*starlark.Builtin),
			}
		default:
			names[m.Name] = &starlarkstruct.Module{Name: m.Name, Members: members}
		}
	}
	names.Freeze()
	return names
}

// Visible lists the names that scripts can write, in alphabetical order.
func Visible(names starlark.StringDict) []string {
	return slices.DeleteFunc(names.Keys(), func(name string) bool {
		return !unicode.IsLetter(rune(name[0])) && name[0] != '_'
	})
}

// builtin makes the Starlark value of f.
func (f Func) builtin(module string) *starlark.Builtin {
	if module != "" {
		return f.call.Builtin(module + "." + f.Name)
	}
	return f.call.Builtin(f.Name)
}

// Signature is what the function really unpacks, written as Params is.
func (f Func) Signature() string { return f.call.Signature(f.Name) }

// callableModule is a module that can also be called like a function.
type callableModule struct {
	starlarkstruct.Module
	call *starlark.Builtin
}

func (m *callableModule) Name() string { return m.Module.Name }

// CallInternal calls the module's own function.
func (m *callableModule) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return m.call.CallInternal(thread, args, kwargs)
}

// sortedFuncs puts functions in alphabetical order.
func sortedFuncs(fs []Func) []Func {
	slices.SortFunc(fs, func(a, b Func) int { return strings.Compare(a.Name, b.Name) })
	return fs
}

// Interface guards.
var (
	_ starlark.Callable = (*callableModule)(nil)
	_ starlark.HasAttrs = (*callableModule)(nil)
)
