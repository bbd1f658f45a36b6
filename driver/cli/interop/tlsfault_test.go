package interop

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/tlsfault"
)

// tlsClient asks for /x at a host through a port of this machine, and returns all that
// it prints.
type tlsClient struct {
	name string
	ask  func(t testing.TB, port int, host, ca string) string
}

// tlsClients are programs that verify what they are shown, each as it does without
// further wishes.
func tlsClients(t testing.TB) []tlsClient {
	openssl, gnutls, curl, node := program(t, "openssl"), program(t, "gnutls-cli"), program(t, "curl"), program(t, "node")
	py, mbed := program(t, "python3"), mbedTLS(t)
	script := func(argv ...string) func(testing.TB, int, string, string) string {
		return func(t testing.TB, port int, host, ca string) string {
			return request(t, append(argv, strconv.Itoa(port), host, ca)...)
		}
	}
	return []tlsClient{
		{"OpenSSL", func(t testing.TB, port int, host, ca string) string {
			return request(t, openssl, "s_client", "-connect", fmt.Sprint("127.0.0.1:", port), "-servername", host, "-CAfile", ca,
				"-verify_return_error", "-verify_hostname", host, "-ign_eof", "-alpn", "http/1.1")
		}},
		{"Go", goRequest},
		{"Python", script(py, source("tls/get.py"))},
		{"Node", script(node, source("tls/get.mjs"))},
		{"GnuTLS", func(t testing.TB, port int, host, ca string) string {
			return request(t, gnutls, "--alpn", "http/1.1", "--x509cafile", ca, "--sni-hostname", host, "--verify-hostname", host, "--port", strconv.Itoa(port), "127.0.0.1")
		}},
		{"mbedTLS", script(mbed)},
		{"curl", func(t testing.TB, port int, host, ca string) string {
			return request(t, curl, "-sS", "--max-time", "60", "--noproxy", "*", "--cacert", ca, "--connect-to", fmt.Sprintf("%s:443:127.0.0.1:%d", host, port), "https://"+host+"/x")
		}},
	}
}

// goRequest is the client of Go.
func goRequest(t testing.TB, port int, host, ca string) string {
	t.Helper()
	cfg := &tls.Config{ServerName: host, RootCAs: x509.NewCertPool(), NextProtos: []string{"http/1.1"}}
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RootCAs.AppendCertsFromPEM(pem)
	c, err := tls.Dial("tcp", fmt.Sprint("127.0.0.1:", port), cfg)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /x HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	out, _ := io.ReadAll(c)
	return string(out)
}

// mbedTLS builds a client with the library of Debian's libmbedtls-dev.
func mbedTLS(t testing.TB) string {
	t.Helper()
	out := filepath.Join(tempDir(t), "get")
	if o := run(t, filepath.Dir(out), environ(nil), program(t, "cc"), "-o", out, source("tls/get.c"), "-lmbedtls", "-lmbedx509", "-lmbedcrypto"); o.code != 0 {
		missing(t, "the client of mbed TLS can't be built (libmbedtls-dev): "+o.stderr)
	}
	return out
}

// served is the answer to a device that goes on.
const served = "served all the same"

// tlsFaultBench serves /x at a host for each fault. Its name is that of the kind.
func tlsFaultBench(t testing.TB) (b *bench, hosts []string) {
	doc := "endpoints:\n  GET /x: {body: " + served + "}\ntls:\n"
	for _, i := range tlsfault.Kinds() {
		fault := string(i.Kind)
		switch i.Kind {
		case tlsfault.Stall:
			continue // the unit tests have it: each client has another patience
		case tlsfault.ALPN:
			fault = "{kind: alpn, protocol: x-nobody}"
		case tlsfault.Slow:
			fault = "{kind: slow, bytes: 100, ms: 2}"
		}
		host := strings.ReplaceAll(string(i.Kind), "_", "-") + ".test"
		hosts = append(hosts, host)
		doc += "  " + host + ": " + fault + "\n"
	}
	b = ours(t, "", "--start", "mock")
	path := filepath.Join(b.dir, "faults.yaml")
	write(t, path, doc)
	b.mustJ(t, b.dir, "proxy", "mock", "load", path)
	return b, hosts
}

// Which clients go on when they meet which fault. Those that are not named refuse. All of
// them ask for HTTP/1.1 by ALPN.
func TestTLSFaultsOfClients(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	clients := tlsClients(t)
	b, hosts := tlsFaultBench(t)
	ca := b.certificate(t)
	want := map[string]string{
		"good.test": "GnuTLS Go Node OpenSSL Python curl mbedTLS",
		// Flaws of certificates, with the programs of Debian 12. Only Go wants the name among the alternative names, only
		// GnuTLS looks at an OCSP answer, and the security level of Debian's OpenSSL
		// and the profile of mbed TLS exclude keys of 1024 bits.
		"no-san.test": "GnuTLS Node OpenSSL Python curl mbedTLS", "revoked.test": "Go Node OpenSSL Python curl mbedTLS", "weak-key.test": "GnuTLS Go Node",
		// mbed TLS 2.28 takes no message that is longer than a record, and no TLS 1.3.
		"long-chain.test": "GnuTLS Go Node OpenSSL Python curl", "min-version.test": "GnuTLS Go Node OpenSSL Python curl",
		"max-version.test": "GnuTLS mbedTLS", "alpn.test": "GnuTLS",
		"no-close-notify.test": "GnuTLS Go Node OpenSSL Python curl mbedTLS", "slow.test": "GnuTLS Go Node OpenSSL Python curl mbedTLS",
	}
	got, accepted := map[string][]string{}, 0
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, host := range append(hosts, "good.test") {
		port := b.forwarder(t, host+":443")
		for _, c := range clients {
			all.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				if !strings.Contains(c.ask(t, port, host, ca), served) {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if got[host] = append(got[host], c.name); host != "good.test" {
					accepted++
				}
			})
		}
	}
	all.Wait()
	table := map[string]string{}
	for host, names := range got {
		slices.Sort(names)
		table[host] = strings.Join(names, " ")
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("who goes on: want, got:\n%s", diff)
	}
	// Each handshake has an entry, and each request that came in spite of a fault names it.
	for expr, n := range map[string]int{"~tls": len(hosts) * len(clients), "~met 'tls fault' & !~tls": accepted} {
		if out := b.mustJ(t, b.dir, "proxy", "capture", "list", "--filter-expr", expr); !strings.HasPrefix(out, fmt.Sprintf("%d captured request(s):", n)) {
			t.Errorf("%s: want %d in %.300s", expr, n, out)
		}
	}
}

// An audit of a program that verifies nothing finds each flaw. One of a program that
// verifies finds those that it does not look for, and no others.
func TestTLSAuditOfClients(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	openssl, py := program(t, "openssl"), program(t, "python3")
	b := ours(t, "      mocks:\n        GET /x: {body: "+served+"}\n", "--start", "mock")
	ca := b.certificate(t)
	flaws := "expired, not_yet_valid, wrong_host, self_signed, unknown_ca, missing_intermediate, no_san, wrong_usage, weak_key, weak_signature, revoked"
	for name, c := range map[string]struct {
		ask   func(port int, host string) string
		kinds string
		found string // "" for nothing
	}{
		"lax-openssl": {func(port int, host string) string {
			return request(t, openssl, "s_client", "-connect", fmt.Sprint("127.0.0.1:", port), "-servername", host, "-ign_eof", "-cipher", "DEFAULT:@SECLEVEL=0")
		}, "", "the device accepted 12 faults: " + flaws + ", max_version"},
		"lax-python": {func(port int, host string) string {
			return request(t, py, source("tls/get.py"), strconv.Itoa(port), host, "-")
		}, "expired,wrong_host,unknown_ca", "the device accepted 3 faults: expired, wrong_host, unknown_ca"},
		"python": {func(port int, host string) string {
			return request(t, py, source("tls/get.py"), strconv.Itoa(port), host, ca)
		}, "", "the device accepted 2 faults: no_san, revoked"},
		"strict": {func(port int, host string) string {
			return request(t, py, source("tls/get.py"), strconv.Itoa(port), host, ca)
		}, "expired,not_yet_valid,wrong_host,self_signed,unknown_ca,missing_intermediate,wrong_usage,weak_key,max_version", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := name + ".test"
			port, over := b.forwarder(t, host+":443"), make(chan struct{})
			var device sync.WaitGroup
			device.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
						c.ask(port, host)
					}
				}
			})
			junit := filepath.Join(tempDir(t), "audit.xml")
			out := b.j(t, b.dir, "proxy", "tls", "audit", host, "--kinds", c.kinds, "--junit", junit)
			close(over)
			device.Wait()
			if c.found == "" && (out.code != 0 || !strings.Contains(out.stdout, "The device refused 9 faults.")) {
				t.Error(out)
			}
			if c.found != "" && (out.code != 1 || !strings.Contains(out.stderr, c.found+"\n")) {
				t.Error(out)
			}
			data, err := os.ReadFile(junit)
			if n := strings.Count(string(data), "<failure "); err != nil || n != strings.Count(out.stdout, "ACCEPTED") {
				t.Errorf("JUnit has %d failures: %v, %s", n, err, data)
			}
		})
	}
}
