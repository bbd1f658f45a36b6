//go:build !unix || solaris || aix

package disk

import (
	"errors"
	"os"
)

// flock locks nothing: these systems have no flock(2).
func flock(*os.File, bool) error { return errors.ErrUnsupported }

// ours reports false: these systems do not tell the owner of a file.
func ours(os.FileInfo) bool { return false }
