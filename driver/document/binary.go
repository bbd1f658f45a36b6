package document

import (
	"encoding/base64"
	"strings"
)

// BinaryTag marks bytes in a document, in base64. They are a body, and nothing
// else: JSON has no bytes. In JSON a body_base64 says the same.
const BinaryTag = "!!binary"

// DecodeBase64 decodes text in which space does not count.
func DecodeBase64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
}
