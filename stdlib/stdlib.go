// Package stdlib is the standard library of scripts, written in Starlark and
// shipped in the binary: load("@stdlib//sequence.star", "sequence").
//
// It is only data. script loads it; each module has its tests beside it, which
// the script package runs.
package stdlib

import "embed"

// FS holds the modules and their tests.
//
//go:embed *.star
var FS embed.FS
