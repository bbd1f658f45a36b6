package exchange

import (
	"net/netip"
	"strings"
	"testing"
)

func TestHostName(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	for in, want := range map[string]string{
		"a.test": "a.test", "A.Test": "a.test", "a.test.": "a.test", "A.TEST.": "a.test", "localhost": "localhost",
		"_sip._tcp.x": "_sip._tcp.x", "a-.-b": "a-.-b", "192.0.2.1": "192.0.2.1", "10.0.0.1.": "10.0.0.1",
		"::1": "::1", "2001:DB8:0:0::1": "2001:db8::1", "fe80::1%eth0": "fe80::1%eth0",
		"bücher.example": "xn--bcher-kva.example", "BÜCHER.example.": "xn--bcher-kva.example", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"straße.de": "xn--strae-oqa.de", "例え。テスト": "xn--r8jz45g.xn--zckzah", "my_host.ü": "my_host.xn--tda",
		label + ".x": label + ".x",
	} {
		if got, err := HostName(in); err != nil || got != want {
			t.Errorf("HostName(%q) is %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", ".", "..", "a..b", ".a", "a b", "*.a.test", "*", "a/b", "a@b", "a%20b", "[::1]", "::1::", "1:2", "fe80::1%", "a\x00", "a\r\nb", "a,b",
		"\xfc.example", "ü\x80", label + "a.x", strings.Repeat("ab.", 85) + "x", strings.Repeat("ü", 5000), "ü.*", "fe80::1%a b",
	} {
		if got, err := HostName(in); err == nil {
			t.Errorf("HostName(%q) is %q, want an error", in, got)
		} else if len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("HostName(%q): %v", in, err)
		}
	}
}

// FuzzHostName holds that a name that was taken is taken again as it is, and is
// an address or has the characters of a name.
func FuzzHostName(f *testing.F) {
	for _, s := range []string{"A.test.", "bücher.example", "::1", "fe80::1%eth0", "a..b", "\xff", "ⅷ.x", "\u2024", "xn--a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := HostName(s)
		if err != nil {
			return
		}
		if again, err := HostName(name); err != nil || again != name {
			t.Errorf("%q becomes %q, that %q, %v", s, name, again, err)
		}
		if _, err := netip.ParseAddr(name); err != nil && (!hostBytes(name) || len(name) > maxHostName) {
			t.Errorf("%q becomes %q", s, name)
		}
	})
}

func BenchmarkHostName(b *testing.B) {
	for b.Loop() {
		HostName("api.backend.example.com")
	}
}
