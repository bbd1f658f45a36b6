package scenario

import _ "embed"

//go:embed schema.json
var schema string

// Schema returns the JSON Schema (2020-12) of scenario documents, for editors.
func Schema() []byte { return []byte(schema) }
