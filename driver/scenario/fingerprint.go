package scenario

import (
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"

	"starproxy/builtins/disk"
)

// Fingerprint returns a hash of the content of files and of the targets of links: a
// scenario loads further files beside the target. A file that is not regular counts
// as missing, since reading it might block.
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
