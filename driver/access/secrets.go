package access

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxSecret is what no private key or passphrase exceeds, in bytes.
	maxSecret = 64 << 10
	// lookAgain is how long a secret counts as the file that it was when it was
	// looked at last. Without it two more calls of the system would take 10 % of
	// the time in which a small file is opened (BenchmarkOpen).
	lookAgain = time.Second
)

// Secrets are files that nobody gets to read or to write: private keys. The
// proxies of one exporter share theirs, for a directory of one may hold what is
// another's. A nil Secrets is empty.
type Secrets struct {
	mu  sync.RWMutex
	all []*secret
}

// secret is one such file.
type secret struct {
	path string
	last atomic.Pointer[look]
}

// look is what a secret was at a time.
type look struct {
	info fs.FileInfo
	at   time.Time
}

// Add adds files by their paths. They need not exist yet.
func (s *Secrets) Add(paths ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range paths {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		if !slices.ContainsFunc(s.all, func(o *secret) bool { return o.path == path }) {
			s.all = append(s.all, &secret{path: path})
		}
	}
}

// Paths returns the absolute paths of the files.
func (s *Secrets) Paths() []string {
	var paths []string
	for _, one := range s.list() {
		paths = append(paths, one.path)
	}
	return paths
}

func (s *Secrets) list() []*secret {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.all
}

// has reports whether an open file is one of them, by whatever path and link it
// was reached.
func (s *Secrets) has(info fs.FileInfo) bool {
	if info.Size() > maxSecret {
		return false // a download need not wait for this
	}
	for _, one := range s.list() {
		if one.is(info) {
			return true
		}
	}
	return false
}

// is reports whether info describes the secret. One that is not there is looked
// for each time.
func (s *secret) is(info fs.FileInfo) bool {
	l := s.last.Load()
	if l == nil || time.Since(l.at) > lookAgain {
		now, err := os.Stat(s.path)
		if err != nil {
			return false
		}
		l = &look{now, time.Now()}
		s.last.Store(l)
	}
	return os.SameFile(l.info, info)
}

// at reports whether real, a path without links, is where one of them lies or
// will lie. File systems that take upper case for lower have the same file
// under both.
func (s *Secrets) at(real string) bool {
	if keyName(real) {
		return true
	}
	for _, one := range s.list() {
		if strings.EqualFold(filepath.Join(resolved(filepath.Dir(one.path)), filepath.Base(one.path)), real) {
			return true
		}
	}
	return false
}

// keyName reports whether a file has the name of a CA's private key, as
// mitmproxy and we keep it, or of a copy beside it.
func keyName(path string) bool {
	name := strings.ToLower(filepath.Base(path))
	return strings.HasPrefix(name, "mitmproxy-ca") && !strings.HasPrefix(name, "mitmproxy-ca-cert")
}
