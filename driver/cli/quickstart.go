package cli

import _ "embed" // the quick-start scenario

// quickstart is the scenario of "starproxy run" without arguments.
//
//go:embed quickstart.yaml
var quickstart []byte
