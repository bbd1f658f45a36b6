package scenario

import (
	"errors"

	"starproxy/script"
)

// Describe gives the attributes with which the log tells an error: for one of a
// script, the way to it through the files that it loads, too.
func Describe(err error) []any {
	attrs := []any{"error", err}
	var e *script.Error
	if errors.As(err, &e) && len(e.Frames) > 0 {
		attrs = append(attrs, "backtrace", e.Backtrace())
	}
	return attrs
}
