// Package scenario reads scenario documents: the YAML or JSON that says which
// endpoints answer instead of the real server, and how.
//
// Its functions may be called by any number of goroutines; what they return
// belongs to the caller.
//
// The rooms above load scenarios and inline mocks with it, and the command line
// checks them with it.
package scenario
