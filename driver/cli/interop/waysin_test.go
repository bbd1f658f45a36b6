package interop

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

const waysMocks = `      mocks:
        GET /x: {body_template: {host: "{{request_header(Host)}}"}}
      unmatched: reject
`

// TestTransparent has a device whose traffic the network leads to the proxy, by
// REDIRECT and by TPROXY, over IPv4 and IPv6, and a program on the gateway itself.
func TestTransparent(t *testing.T) {
	t.Parallel()
	program(t, "curl")
	n := newNetns(t)
	b := n.ours(t, `{host: 127.0.0.1, port: 8080, modes: ["transparent@[::]:8081", "transparent@0.0.0.0:8082"]}`, waysMocks, "--start", "mock")
	ca := strings.TrimSpace(strings.TrimPrefix(b.mustJ(t, b.dir, "proxy", "cert", "ca.pem"), "CA certificate written to: "))
	for _, kind := range []struct{ name, rules string }{
		{"redirect", `table inet spx {
	chain pre {
		type nat hook prerouting priority dstnat
		iifname "veth0" tcp dport { 80, 443, 8443 } redirect to :8081
		iifname "veth0" udp dport 443 redirect to :8081
	}
}`},
		{"tproxy", `table inet spx {
	chain pre {
		type filter hook prerouting priority mangle
		iifname "veth0" meta nfproto ipv4 meta l4proto tcp tproxy ip to :8081 meta mark set 1 accept
		iifname "veth0" meta nfproto ipv6 meta l4proto tcp tproxy ip6 to :8081 meta mark set 1 accept
	}
}`},
	} {
		n.rules(t, kind.rules)
		if kind.name == "tproxy" {
			for _, line := range []string{"ip rule add fwmark 1 lookup 100", "ip route add local default dev lo table 100",
				"ip -6 rule add fwmark 1 lookup 100", "ip -6 route add local default dev lo table 100"} {
				if out := run(t, "", environ(nil), n.in(n.gateway, strings.Fields(line)...)...); out.code != 0 {
					t.Fatalf("%s: %s", line, out)
				}
			}
		}
		for _, c := range []struct{ args, host, captured string }{
			{"http://198.51.100.7/x", "198.51.100.7", "http://198.51.100.7/x"},
			{"http://[2001:db8::7]/x", "[2001:db8::7]", "http://[2001:db8::7]/x"},
			{"--resolve api.example:443:198.51.100.7 https://api.example/x", "api.example", "https://api.example/x"},
			{"--resolve api.example:8443:[2001:db8::7] --http1.1 https://api.example:8443/x", "api.example:8443", "https://api.example:8443/x"},
		} {
			b.mustJ(t, b.dir, "proxy", "capture", "clear")
			out := n.curl(t, append([]string{"--cacert", ca}, strings.Fields(c.args)...)...)
			if want := fmt.Sprintf(`{"host": %q}`, c.host); !equalBody([]byte(out.stdout), []byte(want)) {
				t.Errorf("%s: curl %s: got %s, want %s", kind.name, c.args, out, want)
			}
			list := b.mustJ(t, b.dir, "proxy", "capture", "list", "--filter-expr", "~u ^"+regexp.QuoteMeta(c.captured)+"$")
			if !strings.HasPrefix(list, "1 captured") {
				t.Errorf("%s: curl %s: got captures %s, want one of %s", kind.name, c.args, list, c.captured)
			}
		}
	}
	t.Run("loop", func(t *testing.T) {
		// All traffic of the gateway itself is led to the proxy, its own too.
		n.rules(t, `table ip spx {
	chain out { type nat hook output priority -100
		oifname != "lo" tcp dport 80 redirect to :8082
	}
}`)
		b.mustJ(t, b.dir, "proxy", "restart", "--mode", "passthrough")
		out := run(t, "", environ(nil), n.in(n.gateway, "curl", "-sS", "--max-time", "20", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}",
			"http://"+device4+"/x")...)
		if out.stdout != "502" || !strings.Contains(b.proc.said(), "the proxy itself has made it") {
			t.Errorf("got %s, want 502 and a line in the log:\n%s", out, b.proc.said())
		}
	})
}

// TestDoctor has the doctor watch a device that trusts the CA for one host and not for
// another, asks for a name that it does not connect to, and tries QUIC.
func TestDoctor(t *testing.T) {
	t.Parallel()
	dig, curl := program(t, "dig"), program(t, "curl")
	n := newNetns(t)
	n.rules(t, `table inet spx {
	chain pre {
		type nat hook prerouting priority dstnat
		iifname "veth0" ip daddr != `+gateway4+` tcp dport { 80, 443 } redirect to :443
		iifname "veth0" ip daddr != `+gateway4+` udp dport 443 redirect to :443
	}
}`)
	b := n.ours(t, `{host: 0.0.0.0, port: 8080, modes: [dns@53, transparent@443]}`, waysMocks, "--start", "mock")
	ca := strings.TrimSpace(strings.TrimPrefix(b.mustJ(t, b.dir, "proxy", "cert", "ca.pem"), "CA certificate written to: "))
	done := make(chan output, 1)
	go func() { done <- b.j(t, b.dir, "proxy", "doctor", "--client", device4, "--for", "4s") }()
	var report output
	for report.stdout == "" {
		select {
		case report = <-done:
			continue
		default:
		}
		run(t, "", environ(nil), n.in(n.device, dig, "+short", "+time=5", "@"+gateway4, "lost.invalid")...)
		n.curl(t, "--cacert", ca, "--resolve", "api.invalid:443:198.51.100.7", "https://api.invalid/x")
		run(t, "", environ(nil), n.in(n.device, curl, "-sS", "--resolve", "pinned.invalid:443:198.51.100.8", "https://pinned.invalid/x")...)
		run(t, "", environ(nil), n.in(n.device, "bash", "-c", "echo quic > /dev/udp/198.51.100.7/443")...)
	}
	for _, want := range []string{
		device4 + "\n", "  reaches the proxy by transparent@443: ",
		"! asks for lost.invalid and does not connect to the address that it gets from our resolver",
		"trusts the CA: handshakes with 1 host came to requests", "pinned.invalid", "! speaks QUIC: ",
	} {
		if !strings.Contains(report.stdout, want) {
			t.Errorf("got %s\nwant %q in it", report, want)
		}
	}
	if report.code != 1 {
		t.Errorf("got exit code %d, want 1", report.code)
	}
}

// TestSOCKS has curl and a Python client come in by SOCKS5, with names that exist
// nowhere.
func TestSOCKS(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	port := freePort(t)
	b := ours(t, waysMocks, "--start", "mock", "--way", fmt.Sprintf("socks5@%d", port))
	ca := strings.TrimSpace(strings.TrimPrefix(b.mustJ(t, b.dir, "proxy", "cert", "ca.pem"), "CA certificate written to: "))
	for _, args := range []string{"--socks5-hostname ADDR http://car.invalid/x", "--socks5-hostname ADDR --http1.1 https://car.invalid/x",
		"--socks5-hostname me:secret@ADDR https://car.invalid/x"} {
		argv := strings.Fields(strings.ReplaceAll(args, "ADDR", fmt.Sprintf("127.0.0.1:%d", port)))
		out := run(t, b.dir, environ(nil), append([]string{curl, "-sS", "--cacert", ca}, argv...)...)
		if !equalBody([]byte(out.stdout), []byte(`{"host": "car.invalid"}`)) {
			t.Errorf("curl %s: got %s", args, out)
		}
	}
	py := venv(t, ".venv-clients", "python")
	out := run(t, b.dir, environ([]string{py}, b.environ...), "python", "-c", fmt.Sprintf(`
import requests
p = "socks5h://127.0.0.1:%d"
print(requests.get("https://car.invalid/x", proxies={"http": p, "https": p}, verify=%q).json()["host"])
`, port, ca))
	if strings.TrimSpace(out.stdout) != "car.invalid" {
		t.Errorf("requests: got %s", out)
	}
}

// TestDNS has dig ask the resolver, and curl go where it says.
func TestDNS(t *testing.T) {
	t.Parallel()
	dig := program(t, "dig")
	n := newNetns(t)
	b := n.ours(t, `{host: 0.0.0.0, port: 8080, modes: [dns@53, transparent@443, transparent@80]}
      dns: {names: ["*.vendor.invalid"]}`, waysMocks, "--start", "mock")
	ca := strings.TrimSpace(strings.TrimPrefix(b.mustJ(t, b.dir, "proxy", "cert", "ca.pem"), "CA certificate written to: "))
	for _, c := range []struct{ args, want string }{
		{"api.vendor.invalid", gateway4},
		{"+tcp api.vendor.invalid A", gateway4},
		{"api.vendor.invalid AAAA", ""},
		{"api.vendor.invalid TYPE65", ""},
	} {
		out := run(t, "", environ(nil), n.in(n.device, append([]string{dig, "+short", "+time=5", "@" + gateway4}, strings.Fields(c.args)...)...)...)
		if strings.TrimSpace(out.stdout) != c.want || out.code != 0 {
			t.Errorf("dig %s: got %s, want %q", c.args, out, c.want)
		}
	}
	out := run(t, "", environ(nil), n.in(n.device, dig, "@"+gateway4, "other.invalid")...)
	if !strings.Contains(out.stdout, "status: REFUSED") {
		t.Errorf("dig other.invalid: got %s, want it refused", out)
	}
	out = run(t, "", environ(nil), n.in(n.device, dig, "+short", "+time=5", "@"+gateway6, "api.vendor.invalid", "AAAA")...)
	if strings.TrimSpace(out.stdout) != gateway6 {
		t.Errorf("dig over IPv6: got %s, want %s", out, gateway6)
	}
	n.resolver(t, gateway4)
	for _, u := range []string{"http://api.vendor.invalid/x", "https://api.vendor.invalid/x"} {
		out := n.curl(t, "--cacert", ca, u)
		if !equalBody([]byte(out.stdout), []byte(`{"host": "api.vendor.invalid"}`)) {
			t.Errorf("curl %s: got %s", u, out)
		}
	}
}

// TestReverse has curl take the proxy for the server, and a second proxy that asks the
// first one's mocks as a company's would.
func TestReverse(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	port := freePort(t)
	b := ours(t, waysMocks, "--start", "mock", "--way", fmt.Sprintf("reverse:https://api.invalid@%d", port))
	ca := strings.TrimSpace(strings.TrimPrefix(b.mustJ(t, b.dir, "proxy", "cert", "ca.pem"), "CA certificate written to: "))
	for _, args := range []string{"--resolve api.invalid:PORT:127.0.0.1 https://api.invalid:PORT/x", "--http1.1 --resolve car.invalid:PORT:127.0.0.1 https://car.invalid:PORT/x",
		"http://127.0.0.1:PORT/x"} {
		argv := strings.Fields(strings.ReplaceAll(args, "PORT", fmt.Sprint(port)))
		out := run(t, b.dir, environ(nil), append([]string{curl, "-sS", "--noproxy", "*", "--cacert", ca}, argv...)...)
		if !equalBody([]byte(out.stdout), []byte(`{"host": "api.invalid"}`)) {
			t.Errorf("curl %s: got %s", args, out)
		}
	}
	near := ours(t, "", "--start", "passthrough", "--way", fmt.Sprintf("upstream:http://127.0.0.1:%d", b.port))
	for _, u := range []string{"http://car.invalid/x", "https://car.invalid/x"} {
		out := run(t, b.dir, environ(nil), curl, "-sS", "--noproxy", "", "-k", "-x", fmt.Sprintf("http://127.0.0.1:%d", near.port), u)
		if !equalBody([]byte(out.stdout), []byte(`{"host": "car.invalid"}`)) {
			t.Errorf("through an upstream proxy: %s: got %s", u, out)
		}
	}
	if list := b.mustJ(t, b.dir, "proxy", "capture", "list", "--filter-expr", "~d ^car.invalid$"); !strings.HasPrefix(list, "2 captured") {
		t.Errorf("the upstream proxy captured %s, want the requests to car.invalid", list)
	}
}
