package scenario

import (
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"

	"starproxy/builtins/disk"
)

// Fingerprint changes with the content of files and with where links lead to,
// for what is loaded beside a file is looked for there. What is no regular
// file, which reading might wait for, counts as missing.
func Fingerprint(files []string) string {
	h := sha256.New()
	for _, name := range files {
		size := int64(-1)
		if f, _, err := disk.Open(name); err == nil {
			size, _ = io.Copy(h, f)
			f.Close()
		}
		real, _ := filepath.EvalSymlinks(name)
		fmt.Fprintf(h, "%q %q %d\n", name, real, size)
	}
	return string(h.Sum(nil))
}
