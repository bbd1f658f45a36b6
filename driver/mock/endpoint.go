// Package mock answers requests instead of the real server. It has the endpoints,
// the table that picks an endpoint for a request, and the handlers that need no
// script.
//
// Any number of goroutines may use and change a Table. Lookups read an immutable
// index through an atomic pointer and never wait. A change builds a new index and
// replaces the old one.
//
// Package scenario makes Endpoints from documents, package driver owns the Table,
// and package proxy calls its handler.
package mock

import (
	"cmp"
	"path/filepath"
	"strconv"

	"starproxy/builtins/exchange"
)

// Endpoint answers the requests that fit Match by its Handler. It is immutable once
// it is in a Table.
type Endpoint struct {
	// Name is the key as it was written: "GET /api/v1/status",
	// "POST /login#locked", "https://api.example.com/v1". It is unique in a Table.
	Name string
	// Match decides whether the endpoint answers a request.
	Match Match
	// Handler answers. It must be safe for concurrent use.
	Handler exchange.Handler
	// Rules has the compiled conditions of the endpoint's rules, for explanations.
	// A rule that always holds has nil.
	Rules []*Match
	// Branches are the rules and steps of the endpoint, which count their requests.
	Branches []*Branch
	// Source says where the endpoint comes from.
	Source Source
	// Definition is the endpoint as list_mocks shows it: the document's own
	// JSON value, in the form of a v2 scenario.
	Definition any
	// States maps the name of each named scenario that the endpoint uses to the
	// states that the endpoint names.
	States map[string][]string
	// Summary is the short description that "j proxy mock list" prints:
	// "200", "3 rule(s)", "200 file:a.bin".
	Summary string
	// Kind says how the endpoint answers, in words: "static", "sequence of 3", "patch",
	// "handler login (car.star:12)".
	Kind string
}

// Source is the origin of an endpoint.
type Source struct {
	// Name is the path of the document, or "" for endpoints that were set one by
	// one. Endpoints with the same Name are loaded and removed together.
	Name string
	// File, Line and Column are the place of the endpoint. Line and Column count
	// from 1 and are 0 when unknown.
	File         string
	Line, Column int
	// By says who set an endpoint that is in no document: "set by a client", "set in the
	// page".
	By string
}

// String returns the file's base name and the line, "happy.yaml:12"; Name or By without a
// file. Unknown parts are left out.
func (s Source) String() string {
	if s.File == "" {
		return cmp.Or(s.Name, s.By)
	}
	name := filepath.Base(s.File)
	if s.Line == 0 {
		return name
	}
	return name + ":" + strconv.Itoa(s.Line)
}
