// Package mock answers instead of the real server: it has endpoints, the
// table that picks one for a request, and the handlers that need no script.
//
// A Table may be used and changed by any number of goroutines: lookups read an
// immutable index through one atomic pointer and never wait, changes build the
// next index aside and swap it in.
//
// scenario makes Endpoints from documents, driver owns the Table, proxy asks it.
package mock

import (
	"path/filepath"
	"strconv"

	"starproxy/builtins/exchange"
)

// Endpoint is one thing that can answer: when (Match) and how (Handler).
// It is immutable once it is in a Table.
type Endpoint struct {
	// Name is the key as it was written: "GET /api/v1/status",
	// "POST /login#locked", "https://api.example.com/v1". It is unique in a Table.
	Name string
	// Match decides whether the endpoint answers a request.
	Match Match
	// Handler answers. It must be safe for concurrent use.
	Handler exchange.Handler
	// Rules are the conditions of its rules, compiled, for explanations; nil for
	// a rule that always holds.
	Rules []*Match
	// Source says where the endpoint comes from.
	Source Source
	// Definition is the endpoint as list_mocks shows it: the document's own
	// JSON value, in the form of a v2 scenario.
	Definition any
	// States maps the named scenarios that the endpoint asks for or moves to the
	// states of them that it names.
	States map[string][]string
	// Summary is the short description that "j proxy mock list" prints:
	// "200", "3 rule(s)", "200 file:a.bin".
	Summary string
}

// Source is the origin of endpoints that come and go together.
type Source struct {
	// Name groups endpoints: "" for those set one by one, else the path of the
	// document.
	Name string
	// File, Line and Column place the endpoint in it; Line and Column count
	// from 1 and are 0 when unknown.
	File         string
	Line, Column int
}

// String returns "happy.yaml:12": the file's own name and the line, as far as
// known.
func (s Source) String() string {
	if s.File == "" {
		return s.Name
	}
	name := filepath.Base(s.File)
	if s.Line == 0 {
		return name
	}
	return name + ":" + strconv.Itoa(s.Line)
}
