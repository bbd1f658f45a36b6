package exchange

import (
	"net/netip"
	"testing"
)

func TestParseClients(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.0.7": "10.0.0.7/32", "10.0.0.0/8": "10.0.0.0/8", "0.0.0.0/0": "0.0.0.0/0", "fd00::7": "fd00::7/128", "FD00:0::/8": "fd00::/8",
		"::ffff:10.0.0.7": "10.0.0.7/32", "::ffff:10.0.0.0/104": "10.0.0.0/8",
		"::ffff:0:0/90": "", "10.0.0.7/8": "", "fe80::1%eth0": "", "device": "", "": "", "10.0.0.7/33": "", "10.0.0": "", "010.0.0.7": "",
	} {
		got, err := ParseClients(text)
		if want == "" && err == nil || want != "" && (err != nil || got != netip.MustParsePrefix(want)) {
			t.Errorf("%q: got %v, %v, want %q", text, got, err, want)
		}
	}
}
