package compare

import "testing"

// TestFold tells ids, times and tokens in values from words, versions and names.
func TestFold(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6":                    "{uuid}",
		"2026-11-28T22:41:53.123Z":                                "{time}",
		"2026-11-28T22:41:53+01:00":                               "{time}",
		"Sat, 28 Nov 2026 22:41:53 GMT":                           "{time}",
		"1795000000":                                              "{time}",
		"1795000000123":                                           "{time}",
		"00:1A:2b:3c:4d:5e":                                       "{mac}",
		"3f786850e387550fdab836ed7e6dc881de23001b":                "{hash}",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc":                "{token}",
		"k3Jd8sLq0ZpWv5TnYb2x":                                    "{token}",
		"aasrJCTIanwGFPmmOmlsIM":                                  "{token}",
		"WVWZZZ1JZXW000123":                                       "{serial}",
		"MASKED-12*****":                                          "{secret}",
		"987654321":                                               "{number}",
		`id=f81d4fae-7dec-11d0-a765-00a0c91e6bf6; seq=5`:          `id={uuid}; seq=5`,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01": "{token}",
		"192.168.1.17":                                            "{address}",
		"fe80::1ff:fe23:4567:890a":                                "{address}",
		"8.8.8.8":                                                 "8.8.8.8",
		"28.11.2026 22:41:53":                                     "{time} {time}",
		"":                                                        "",
		"1.4.2":                                                   "1.4.2",
		"gzip, deflate":                                           "gzip, deflate",
		"application/vnd.acme.telemetry.v2+json":                  "application/vnd.acme.telemetry.v2+json",
		"TCU-2000":                                                "TCU-2000",
		"getVehicleStatusReport":                                  "getVehicleStatusReport",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36":        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
		"permessage-deflate; client_max_window_bits":                "permessage-deflate; client_max_window_bits",
		"firmware-2026.10.1-release":                                "firmware-2026.10.1-release",
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*",
	} {
		if got := fold(value); got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}

// TestFoldSegment tells ids in paths from words.
func TestFoldSegment(t *testing.T) {
	t.Parallel()
	for segment, want := range map[string]string{
		"42":                                   "{number}",
		"42.json":                              "{number}.json",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6": "{uuid}",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6.bin": "{uuid}.bin",
		"a81f3c":             "{hash}",
		"SN-004711":          "{serial}",
		"dev-0042":           "dev-{id}",
		"device_a81f3c":      "device_{id}",
		"2026-11-28":         "{time}",
		"v1":                 "v1",
		"v2.1":               "v2.1",
		"api":                "api",
		"oauth2":             "oauth2",
		"sha256":             "sha256",
		"mp3":                "mp3",
		"decade":             "decade",
		"firmware-1.2.3.bin": "firmware-1.2.3.bin",
		"ipv4settings":       "ipv4settings",
		"":                   "",
	} {
		if got := foldSegment(segment); got != want {
			t.Errorf("%s: got %s, want %s", segment, got, want)
		}
	}
	for host, want := range map[string]string{
		"a81f3c90.iot.example.com":  "{hash}.iot.example.com",
		"api.example.com":           "api.example.com",
		"api.example.com:8443":      "api.example.com:8443",
		"192.0.2.7":                 "192.0.2.7",
		"dev-00042.iot.example.com": "dev-{id}.iot.example.com",
	} {
		if got := foldHost(host); got != want {
			t.Errorf("%s: got %s, want %s", host, got, want)
		}
	}
}
