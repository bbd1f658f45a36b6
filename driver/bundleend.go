package driver

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/disk"
	"starproxy/builtins/exchange"
	"starproxy/driver/bundle"
	"starproxy/driver/capture"
)

// Bundle says what bundles of a session have, and when one is written by itself.
type Bundle struct {
	// When a bundle is written at the end of a session, which is that of a lease, or that
	// of "starproxy run": failure, always or off. A session has failed in which a request
	// was refused because no mock or recording matches it, a script or mock noted an
	// error, an expectation did not hold, or the process of the proxies has died. Default off.
	On BundleWhen `yaml:"on"`
	// The directory of these bundles; a relative one is below the directory of data.
	// Default {data}/bundles.
	Directory string `yaml:"directory"`
	// How many of them are kept; the oldest go. 0 and default: 50.
	Keep int `yaml:"keep"`
	// The size of a bundle in bytes, at least 2097152 (2 MiB); larger bodies and older
	// exchanges are left out. 0 and default: 67108864 (64 MiB).
	MaxSize int64 `yaml:"max_size"`
	// Names of fields, parameters, cookies and headers whose values are masked, beside
	// those that are known. Default none.
	Mask []string `yaml:"mask"`
}

// BundleWhen is when a bundle is written by itself.
type BundleWhen string

// The values of BundleWhen.
const (
	BundleOff     BundleWhen = "off"
	BundleFailure BundleWhen = "failure"
	BundleAlways  BundleWhen = "always"
)

// UnmarshalText accepts the three words.
func (w *BundleWhen) UnmarshalText(text []byte) error {
	switch v := BundleWhen(text); v {
	case BundleOff, BundleFailure, BundleAlways:
		*w = v
		return nil
	}
	return fmt.Errorf("got %q, want failure, always or off", text)
}

// defaultKept is how many bundles that are written by themselves are kept.
const defaultKept = 50

// minBundle is the smallest size of a bundle that can be configured, in bytes.
const minBundle = 2 << 20

// resolve checks the values and fills in those that are empty.
func (c *Bundle) resolve() error {
	if c.On == "" {
		c.On = BundleOff
	}
	if err := c.On.UnmarshalText([]byte(c.On)); err != nil {
		return fmt.Errorf("bundle.on: %w", err)
	}
	if c.Keep < 0 {
		return fmt.Errorf("bundle.keep: got %d, want 0 or more", c.Keep)
	}
	if c.Keep == 0 {
		c.Keep = defaultKept
	}
	if c.MaxSize != 0 && c.MaxSize < minBundle {
		return fmt.Errorf("bundle.max_size: got %d, want at least %d bytes", c.MaxSize, minBundle)
	}
	return nil
}

// atEnd writes the bundle of a session that ends, if the configuration asks for it, and
// logs where it is.
func (b *bundles) atEnd() {
	c := &b.cfg.Bundle
	if c.On == BundleOff {
		return
	}
	why := b.failure()
	if c.On == BundleFailure && why == "" {
		return
	}
	dir := cmp.Or(c.Directory, "bundles")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(b.cfg.Directories.Data, dir)
	}
	path, m, err := b.store(dir)
	if err != nil {
		b.log.Error("the bundle of the session was not written", "directory", dir, "error", err)
		return
	}
	b.log.Info("bundle of the session written", "path", path, "exchanges", m.Exchanges, "failure", why)
	if err := b.prune(dir); err != nil {
		b.log.Warn("old bundles are left", "directory", dir, "error", err)
	}
}

// bundlePrefix begins the names of bundles that are written by themselves.
const bundlePrefix = "session-"

// store writes a bundle of all that is known into a new file in dir.
func (b *bundles) store(dir string) (path string, m *bundle.Manifest, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	name := bundlePrefix + time.Now().UTC().Format("20060102-150405.000")
	if l := b.reporter.lease; l != nil {
		name += "-" + strings.Map(fileRune, l.Name)
	}
	path = filepath.Join(dir, name+".zip")
	all := bundleArgs{picks: func(*capture.Entry) bool { return true }}
	err = disk.Replace(path, 0o600, func(w io.Writer) error {
		m, err = b.write(w, all)
		return err
	})
	return path, m, err
}

// fileRune returns a character of the name of a lease as a file name has it.
func fileRune(r rune) rune {
	if r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return '_'
}

// prune removes the oldest bundles in dir that were written by themselves, as far as there
// are more than are kept.
func (b *bundles) prune(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, bundlePrefix+"*.zip"))
	if err != nil {
		return err
	}
	slices.Sort(names) // by time
	for _, name := range names[:max(0, len(names)-b.cfg.Bundle.Keep)] {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// failure returns the reason why the session counts as failed, empty when it does not. It
// goes by the exchanges that the journal still has.
func (b *bundles) failure() string {
	if c := b.reporter.crashes; c != nil && c.Count > 0 {
		return "the process of the proxies has died: " + c.Last
	}
	if why := b.expectations.failed.Load(); why != nil {
		return *why
	}
	for e := range b.captures.journal.Backward(nil) {
		switch e.Origin {
		case exchange.FromProxy, exchange.FromReplay: // the latter with the status of replay.misses
			if e.Unmatched {
				// The log has no queries, for they may have secrets.
				return "nothing matches the request " + e.Method + " " + e.Scheme + "://" + e.Host + e.Path()
			}
		}
		for _, n := range e.Notes {
			if n.Level == "error" {
				return n.Text
			}
		}
	}
	return ""
}
