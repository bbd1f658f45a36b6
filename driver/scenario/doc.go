// Package scenario reads scenario documents, in YAML or JSON. They say which
// endpoints answer instead of the real server, and how.
//
// Any number of goroutines may call its functions. The returned values belong to the
// caller.
//
// The packages above load scenarios and inline mocks with it, and the command line
// checks them with it.
package scenario
