//go:build !unix || solaris || aix

package disk

import (
	"errors"
	"os"
)

// flock locks nothing: these systems have no flock(2).
func flock(*os.File, bool) error { return errors.ErrUnsupported }
