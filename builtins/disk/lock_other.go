//go:build !unix || solaris || aix

package disk

import (
	"errors"
	"os"
)

// flock locks nothing: these systems have no flock(2).
func flock(*os.File, bool) error { return errors.ErrUnsupported }

// ours reports false: it is not known whose a file is.
func ours(os.FileInfo) bool { return false }
