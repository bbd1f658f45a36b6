// Package expect checks the traffic of a device against expectations: a list of objects
// in YAML or JSON, each of which picks exchanges and says what must be true of them.
//
// [Read] reads the list, and [List.Check] compares it with captured exchanges. Both are
// pure: they follow nothing and wait for nothing. A List may be used by any number of
// goroutines.
package expect
