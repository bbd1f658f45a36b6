// Package document reads YAML and JSON documents and keeps the place of every
// value: errors name the file, the line and the column.
//
// [Decode] fills a struct and refuses what the struct has no place for. [Read]
// returns the document as nodes, for packages that look at keys themselves. The
// other functions answer questions about nodes and make new ones.
//
// The functions may be called by any number of goroutines.
package document
