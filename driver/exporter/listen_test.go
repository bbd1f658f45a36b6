package exporter

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"starproxy/driver/client"
)

func TestFreshSocket(t *testing.T) {
	run := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", run)
	b := newBench(t, fakesFile, "")
	path, err := b.ServeUnix("")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 || filepath.Dir(dir) != run || !strings.HasPrefix(filepath.Base(dir), "jumpstarter-") || filepath.Base(path) != "socket" {
		t.Errorf("socket %s in a folder of mode %v, %v", path, info.Mode(), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket mode %v, %v", info.Mode(), err)
	}
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(run, strings.Repeat("x", 120)))
	second, err := b.ServeUnix("")
	if err != nil || len(second) > maxSocketPath {
		t.Errorf("second socket %s, %v", second, err)
	}
	find(t, dial(t, second, client.Options{}), "proxy")
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for _, p := range []string{dir, filepath.Dir(second)} {
		if _, err := os.Stat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind: %v", p, err)
		}
	}
	if _, err := b.ServeUnix(""); !errors.Is(err, errClosed) {
		t.Errorf("serving after close: %v", err)
	}
}

func TestGivenSocket(t *testing.T) {
	t.Parallel()
	b := newBench(t, fakesFile, "")
	dir := t.TempDir()
	path, err := b.ServeUnix(filepath.Join(dir, "new", "s"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.ServeUnix(path); err == nil || !strings.Contains(err.Error(), "another process listens on it") {
		t.Errorf("error %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ServeUnix(file); err == nil || !strings.Contains(err.Error(), "no socket is in the way") {
		t.Errorf("error %v", err)
	}
	stale := filepath.Join(dir, "stale")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if _, err := b.ServeUnix(stale); err != nil {
		t.Errorf("over a stale socket: %v", err)
	}
	for bad, want := range map[string]string{
		"s:80":                   "host:port",
		"a b":                    "spaces",
		strings.Repeat("y", 120): "a socket's may have 107",
	} {
		if _, err := b.ServeUnix(filepath.Join(dir, bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestTCPInsecureWithPassphrase(t *testing.T) {
	t.Parallel()
	b := newBench(t, fakesFile, backend(t, echo))
	addr, err := b.ServeTCP("127.0.0.1:0", TCPOptions{Insecure: true, Passphrase: "open sesame"})
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "open", "open sesame "} {
		_, err := client.Dial(t.Context(), addr.String(), client.Options{Insecure: true, Passphrase: wrong})
		if !errors.Is(err, &client.Error{Code: codes.Unauthenticated}) || err.Error() != "authentication failed: invalid or missing passphrase" {
			t.Errorf("passphrase %q: %v", wrong, err)
		}
	}
	proxy := find(t, dial(t, addr.String(), client.Options{Insecure: true, Passphrase: "open sesame"}), "proxy")
	for v, err := range proxy.Stream(t.Context(), "count", 1) {
		if err != nil || v != 0.0 {
			t.Errorf("count %v, %v", v, err)
		}
	}
	conn, err := proxy.Connect(t.Context(), "connect")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	// The unix socket asks for none.
	find(t, dialUnix(t, b), "proxy")
	records, _, _ := b.ring.since(0)
	for _, r := range records {
		if strings.Contains(r.String(), "open") {
			t.Errorf("the log mentions the passphrase: %v", r)
		}
	}
}

func TestTCPWithTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	b := newBench(t, fakesFile, "")
	addr, err := b.ServeTCP("127.0.0.1:0", TCPOptions{CertFile: cert, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	find(t, dial(t, addr.String(), client.Options{RootsFile: cert}), "proxy")
	if _, err := client.Dial(t.Context(), addr.String(), client.Options{}); err == nil || !strings.Contains(err.Error(), "cannot reach the exporter at "+addr.String()) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	if _, err := client.Dial(t.Context(), addr.String(), client.Options{RootsFile: key}); err == nil || !strings.Contains(err.Error(), "holds no PEM certificate") {
		t.Errorf("a bad roots file: %v", err)
	}
	for _, o := range []TCPOptions{{}, {Insecure: true, CertFile: cert}, {CertFile: cert}, {CertFile: cert, KeyFile: cert}} {
		if _, err := b.ServeTCP("127.0.0.1:0", o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	if _, err := b.ServeTCP(addr.String(), TCPOptions{Insecure: true}); err == nil || !strings.HasPrefix(err.Error(), "listen on tcp: ") {
		t.Errorf("a taken port: %v", err)
	}
}

// certificate writes a self-signed certificate for 127.0.0.1 and its key.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "test"}}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	b := newBench(t, fakesFile, backend(t, echo))
	proxy := find(t, dialUnix(t, b), "proxy")
	conn, err := proxy.Connect(t.Context(), "connect")
	if err != nil {
		t.Fatal(err)
	}
	streamed := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		for _, err := range proxy.Stream(t.Context(), "forever") {
			if err == nil {
				close(started)
			} else {
				streamed <- err
			}
		}
	}()
	called := make(chan error, 1)
	go func() {
		_, err := proxy.Call(t.Context(), "wait")
		called <- err
	}()
	soon(t, started, "the stream's first item")
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for what, ch := range map[string]chan error{"stream": streamed, "call": called} {
		if err := soon(t, ch, "the end of the "+what); err == nil {
			t.Errorf("the %s ended well", what)
		}
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the byte stream goes on")
	}
	if err := b.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	for path, f := range b.fakes {
		if n := f.closed.Load(); n != 1 {
			t.Errorf("driver %s was closed %d times", path, n)
		}
	}
}
