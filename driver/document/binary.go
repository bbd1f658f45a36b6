package document

import (
	"encoding/base64"
	"strings"
)

// BinaryTag is the tag of bytes in a YAML document, written in base64. Only the
// body of a mock may be bytes. JSON has no tags and uses the key body_base64.
const BinaryTag = "!!binary"

// DecodeBase64 decodes text in base64 and ignores white space in it.
func DecodeBase64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
}
