package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// foreignCA writes the certificate of a CA that is not the proxy's.
func foreignCA(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "somebody else"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tempDir(t), "foreign.pem")
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return path
}

// tlsEnds returns how the last handshakes with each host ended, by the report.
func (b *bench) tlsEnds(t testing.TB) map[string]string {
	t.Helper()
	var report struct {
		Hosts []struct {
			Host, Ended, Alert, Reason string
			Pinned                     bool
			JA4                        []string
		}
	}
	if err := json.Unmarshal([]byte(b.mustJ(t, b.dir, "proxy", "tls", "report", "--json")), &report); err != nil {
		t.Fatal(err)
	}
	ends := map[string]string{}
	for _, r := range report.Hosts {
		ends[r.Host] = strings.TrimSpace(fmt.Sprint(r.Ended, " ", r.Alert))
		if r.Pinned {
			ends[r.Host] += ", pinned"
		}
		if len(r.JA4) != 1 || !strings.HasPrefix(r.JA4[0], "t1") {
			t.Errorf("%s: got the fingerprints %q, want one", r.Host, r.JA4)
		}
	}
	return ends
}

// Each client refuses a CA that it does not trust in its own way; Node leaves without a
// word. As soon as it trusts the
// proxy for another host, its refusal is a pin.
func TestHandshakesOfClients(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	clients := tlsClients(t)
	b := ours(t, "      mocks:\n        GET /x: {body: "+served+"}\n", "--start", "mock")
	ca, foreign := b.certificate(t), foreignCA(t)
	want := map[string]string{
		"openssl.test": "rejected unknown_ca", "go.test": "rejected bad_certificate", "python.test": "rejected unknown_ca",
		"node.test": "rejected", "gnutls.test": "rejected bad_certificate", "mbedtls.test": "rejected unknown_ca", "curl.test": "rejected unknown_ca",
	}
	for _, c := range clients {
		host := strings.ToLower(c.name) + ".test"
		if out := c.ask(t, b.forwarder(t, host+":443"), host, foreign); strings.Contains(out, served) {
			t.Errorf("%s accepts a CA that it does not trust: %s", c.name, out)
		}
	}
	if d := cmp.Diff(want, b.tlsEnds(t)); d != "" {
		t.Errorf("who trusts another CA (-want +got):\n%s", d)
	}
	for _, c := range clients {
		name := strings.ToLower(c.name)
		host := "good-" + name + ".test"
		if out := c.ask(t, b.forwarder(t, host+":443"), host, ca); !strings.Contains(out, served) {
			t.Errorf("%s does not trust the proxy: %s", c.name, out)
		}
		want[host] = "trusted"
		want[name+".test"] += ", pinned"
	}
	if d := cmp.Diff(want, b.tlsEnds(t)); d != "" {
		t.Errorf("who trusts the proxy for another host (-want +got):\n%s", d)
	}
}
