// Package importer reads the mock files of other tools and writes them as scenarios:
// mappings of WireMock, expectations of MockServer, collections of Postman (version
// 2.1), environments of Mockoon, and HAR documents.
//
// Each tool has a reader that makes rules of its file: the requests that a rule is
// for, as conditions of a scenario, and the answer. The rest is common: the order in
// which the rules are asked, the check that each of them compiles, and the writing.
// Everything that could not be carried over is a [Note], which has the place in the
// file of the other tool.
//
// The package reads the named files and files of their directories, and never the
// network.
package importer
