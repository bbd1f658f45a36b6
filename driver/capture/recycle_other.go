//go:build !linux

package capture

import "os"

const canRecycle = false

func alone(*os.File) bool { return false }
