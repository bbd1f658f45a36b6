package scenario

import (
	_ "embed"
	"fmt"
	"strings"

	"starproxy/builtins/jsonvalue"
)

//go:embed schema.json
var schema string

// conditionsMark is the line of schema.json in whose place the properties of
// matchKeys are put.
const conditionsMark = `        "conditions": true` + "\n"

// Schema returns the JSON Schema (2020-12) of scenario documents, for editors.
func Schema() []byte {
	var b strings.Builder
	for i, row := range matchKeys() {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, `        "%s": {"description": %s, %s}`, row.key, jsonvalue.AppendText(nil, row.doc), row.form)
	}
	b.WriteString("\n")
	return []byte(strings.Replace(schema, conditionsMark, b.String(), 1))
}
