// Package rpc is the method table of a driver: rows that describe methods to callers,
// their arguments, their results and their refusals.
//
// A Table is for any number of goroutines.
//
// The services of package driver make rows; driver makes one table of them, which
// exporter and web call.
package rpc
