package scenario

import (
	"errors"

	"starproxy/script"
)

// Describe returns the attributes of a log record for an error. For an error of a
// script they have the backtrace too.
func Describe(err error) []any {
	attrs := []any{"error", err}
	var e *script.Error
	if errors.As(err, &e) && len(e.Frames) > 0 {
		attrs = append(attrs, "backtrace", e.Backtrace())
	}
	return attrs
}
