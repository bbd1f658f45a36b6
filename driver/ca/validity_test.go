package ca

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// testClock is a wall clock that a test sets.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func date(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 12, 0, 0, 0, time.UTC) }

// oldHello is that of a client without ECDSA.
func hellos() map[string]*tls.ClientHelloInfo {
	return map[string]*tls.ClientHelloInfo{
		"ECDSA": {ServerName: "h.test", SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}},
		"RSA":   {ServerName: "h.test", SupportedVersions: []uint16{tls.VersionTLS12}},
	}
}

// verified checks a leaf as a device does whose clock shows now; the CA is its
// trust anchor. It returns the leaf.
func verified(t *testing.T, a *Authority, c *tls.Certificate, now time.Time) *x509.Certificate {
	t.Helper()
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.cert)
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, der := range c.Certificate[1:] {
		ic, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		between.AddCert(ic)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "h.test", Roots: roots, Intermediates: between, CurrentTime: now}); err != nil {
		t.Errorf("at %s: %v (valid %s to %s)", now, err, leaf.NotBefore, leaf.NotAfter)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 200*day {
		t.Errorf("at %s: a leaf of %s, browsers take 200 days", now, life)
	}
	return leaf
}

// TestClockJumps asks for leaves before and after the clock is set, forward and
// back, by days and by decades: every one is valid when it is handed out.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string][]time.Time{
		"boots in 1970":        {time.Unix(10, 0), date(2026, 5, 1)},
		"at the epoch":         {time.Unix(0, 0), time.Unix(1, 0), date(2027, 1, 1)},
		"before the epoch":     {time.Unix(-86400*400, 0), date(2026, 5, 1)},
		"falls back to 1970":   {date(2026, 5, 1), time.Unix(3600, 0), date(2026, 5, 2)},
		"days forward":         {date(2026, 5, 1), date(2026, 5, 9)},
		"days back":            {date(2026, 5, 9), date(2026, 5, 1), date(2026, 4, 20)},
		"half a year":          {date(2026, 5, 1), date(2026, 11, 13), date(2026, 11, 14), date(2026, 11, 15), date(2027, 5, 1)},
		"back and forth":       {date(2026, 5, 1), date(2030, 1, 1), date(2026, 5, 1), date(2000, 1, 1), date(2026, 5, 1)},
		"firmware's own clock": {date(2000, 1, 1), date(2019, 7, 1), date(2026, 5, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &testClock{t: clock[0]}
			a, err := openAt(t.TempDir(), c.now)
			if err != nil {
				t.Fatal(err)
			}
			for _, now := range clock {
				c.set(now)
				for kind, hello := range hellos() {
					got, err := a.Certificate(hello, "h.test", nil)
					if err != nil {
						t.Fatal(err)
					}
					leaf := verified(t, a, got, now)
					// It is kept for those that come right after.
					if again, _ := a.Certificate(hello, "h.test", nil); again != got {
						t.Errorf("%s at %s: minted twice", kind, now)
					}
					if left := leaf.NotAfter.Sub(now); left < margin {
						t.Errorf("%s at %s: valid for %s only", kind, now, left)
					}
				}
				if p := a.Problem(); p != "" {
					t.Errorf("at %s: %s", now, p)
				}
			}
		})
	}
}

// TestMonotonicClockDoesNotCount is why the clock is asked without its
// monotonic reading.
func TestMonotonicClockDoesNotCount(t *testing.T) {
	t.Parallel()
	if now := wall(); now != now.Round(0) {
		t.Errorf("wall gives a monotonic reading: %s", now)
	}
}

// TestCAOfMitmproxy has the validity that mitmproxy gives a CA, which is made
// when the clock is right and read when it is wrong, or has expired.
func TestCAOfMitmproxy(t *testing.T) {
	t.Parallel()
	c := &testClock{t: date(2026, 5, 1)}
	a, err := openAt(t.TempDir(), c.now)
	if err != nil {
		t.Fatal(err)
	}
	a.cert.NotBefore, a.cert.NotAfter = date(2020, 1, 1), date(2030, 1, 1)
	for _, test := range []struct {
		now  time.Time
		want string
	}{
		{date(2026, 5, 1), ""},
		{date(2031, 2, 3), "the CA certificate expired on 2030-01-01, and the clock says 2031-02-03"},
		{time.Unix(0, 0), "the CA certificate is valid from 2020-01-01 on, and the clock says 1970-01-01"},
	} {
		c.set(test.now)
		if got := a.Problem(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
		// A device that trusts the CA whatever its dates are sees no other fault.
		got, err := a.Certificate(hellos()["ECDSA"], "h.test", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, der := range got.Certificate {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if test.now.Before(cert.NotBefore) || test.now.After(cert.NotAfter) {
				t.Errorf("at %s: certificate %d is valid from %s to %s", test.now, i, cert.NotBefore, cert.NotAfter)
			}
		}
	}
}

// TestIssuerIsKept makes no new intermediate CA while the old one serves.
func TestIssuerIsKept(t *testing.T) {
	t.Parallel()
	c := &testClock{t: date(2026, 5, 1)}
	a, err := openAt(t.TempDir(), c.now)
	if err != nil {
		t.Fatal(err)
	}
	issuers := map[*issuer]bool{}
	for _, now := range []time.Time{date(2026, 5, 1), date(2027, 5, 1), time.Unix(0, 0), date(2026, 5, 1)} {
		c.set(now)
		if _, err := a.Certificate(hellos()["ECDSA"], "h.test", nil); err != nil {
			t.Fatal(err)
		}
		issuers[a.issuer.now] = true
	}
	if len(issuers) != 1 {
		t.Errorf("%d issuers, want 1", len(issuers))
	}
	c.set(date(2099, 1, 1))
	if _, err := a.Certificate(hellos()["ECDSA"], "h.test", nil); err != nil || issuers[a.issuer.now] {
		t.Errorf("the issuer was not renewed after the end of the CA (%v)", err)
	}
}

// TestCAOnFullDisk finds no file that the next start would take for the CA.
func TestCAOnFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %s", out)
	}
	t.Cleanup(func() { exec.Command("umount", dir).Run() })
	filler := filepath.Join(dir, "filler")
	// The disk is full from the start, or has room for the first files only.
	for room := range 6 {
		os.Remove(filler)
		conf := filepath.Join(dir, "conf")
		os.RemoveAll(conf)
		if err := os.Mkdir(conf, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		for err == nil {
			var m int
			m, err = f.Write(make([]byte, 4096))
			n += int64(m)
		}
		if err := f.Truncate(n - int64(room)*4096); err != nil {
			t.Fatal(err)
		}
		f.Close()
		_, err = Open(conf)
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "certificate authority: ") {
			t.Errorf("room for %d pages: got %v", room, err)
		}
		entries, _ := os.ReadDir(conf)
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Size() == 0 || strings.Contains(e.Name(), ".part-") {
				t.Errorf("room for %d pages: %s is left with %v", room, e.Name(), info)
			}
		}
		os.Remove(filler)
		a, err := Open(conf) // now there is room
		if err != nil {
			t.Errorf("room for %d pages, then enough: %v", room, err)
		} else if _, err := os.Stat(a.CertPath()); err != nil {
			t.Error(err)
		}
	}
}
