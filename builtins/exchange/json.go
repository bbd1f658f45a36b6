package exchange

import (
	"bytes"
	"encoding/json"
)

// EncodeJSON returns v as compact JSON text on one line. Unlike json.Marshal it
// leaves <, > and & as they are: it is for devices and people, not for HTML.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
