package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// suites are the pytest files for a running exporter, with the number of tests
// that they have at least.
var suites = map[string]int{"test_client.py": 52, "test_device.py": 4, "test_adversity.py": 64, "test_tls_audit.py": 2}

// suite runs one of them.
func (b *bench) suite(t *testing.T, file string, env ...string) {
	t.Helper()
	dir, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	pytest(t, environ([]string{python(t)}, append(b.environ, append(env, "STARPROXY_DATA="+b.dir)...)...), dir, suites[file], filepath.Join(dir, file))
}

// The stock Python client over the unix socket, and a class of
// jumpstarter-testing.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	python(t)
	for file := range suites {
		t.Run(strings.TrimSuffix(file, ".py"), func(t *testing.T) {
			t.Parallel()
			ours(t, "").suite(t, file)
		})
	}
}

// The stock Python client over TCP: in the clear with a passphrase, and with
// TLS and a certificate that only GRPC_DEFAULT_SSL_ROOTS_FILE_PATH vouches for.
func TestPythonClientOverTCP(t *testing.T) {
	t.Parallel()
	python(t)
	t.Run("insecure with passphrase", func(t *testing.T) {
		t.Parallel()
		address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
		b := ours(t, "", "--tls-grpc-listener", address, "--tls-grpc-insecure", "--passphrase", "open sesame")
		b.overTCP(t, address, "JMP_GRPC_INSECURE=1", "JMP_GRPC_PASSPHRASE=open sesame")
		out := run(t, b.dir, environ([]string{python(t)}, append(b.environ, "JMP_GRPC_PASSPHRASE=open barley")...), "j", "proxy", "status")
		if out.code == 0 || !strings.Contains(out.stderr+out.stdout, "passphrase") {
			t.Errorf("a wrong passphrase was let in: %s", out)
		}
		if strings.Contains(b.proc.said(), "barley") || strings.Contains(b.proc.said(), "sesame") {
			t.Errorf("a passphrase is in the log:\n%s", b.proc.said())
		}
		jmp := run(t, b.dir, environ([]string{python(t)}), "jmp", "shell", "--tls-grpc", address, "--tls-grpc-insecure",
			"--passphrase", "open sesame", "--", "sh", "-c", "j proxy status; exit 7")
		if jmp.code != 7 || !strings.Contains(jmp.stdout, "Proxy is") {
			t.Errorf("jmp shell --tls-grpc: %s", jmp)
		}
	})
	t.Run("tls", func(t *testing.T) {
		t.Parallel()
		cert, key := serverCertificate(t)
		address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
		b := ours(t, "", "--tls-grpc-listener", address, "--tls-cert", cert, "--tls-key", key)
		b.overTCP(t, address, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH="+cert)
	})
}

// overTCP turns the bench's clients to a TCP address and runs Python's suite
// and both j over it.
func (b *bench) overTCP(t *testing.T, address string, env ...string) {
	t.Helper()
	b.environ = append([]string{"JUMPSTARTER_HOST=" + address, "JMP_DRIVERS_ALLOW=UNSAFE"}, env...)
	b.suite(t, "test_device.py")
	if out := b.mustJ(t, b.dir, "proxy", "status"); out != "Proxy is not running.\n" {
		t.Errorf("our j over TCP: %q", out)
	}
	if out := b.python(t, b.dir, "j", "proxy", "start"); !strings.Contains(out.stdout, "Started in 'mock' mode") {
		t.Errorf("python j over TCP: %s", out)
	}
	b.mustJ(t, b.dir, "proxy", "stop")
}

// serverCertificate is a certificate for 127.0.0.1, its own authority.
func serverCertificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := tempDir(t)
	certFile, keyFile = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	return certFile, keyFile
}
