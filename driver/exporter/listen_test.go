package exporter

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

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

// A socket is open to its user alone from its first moment, at the longest path
// too, and leaves nothing behind.
func TestSocketIsPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := filepath.Join(dir, strings.Repeat("d", maxSocketPath-len(dir)-3))
	if err := os.Mkdir(long, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(long, 0o777); err != nil {
		t.Fatal(err)
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Add(long); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, fakesFile, "")
	path, err := b.ServeUnix(filepath.Join(long, "s"))
	if err != nil {
		t.Fatal(err)
	}
	if len(path) != maxSocketPath {
		t.Errorf("the path has %d bytes", len(path))
	}
	find(t, dial(t, path, client.Options{}), "proxy")
	entries, err := os.ReadDir(long)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// Its mode is not changed where others could see it before.
	for done := false; !done; {
		select {
		case ev := <-w.Events:
			if ev.Name == path && ev.Op.Has(fsnotify.Chmod) {
				t.Error("the mode was changed in place")
			}
			done = ev.Name != path && ev.Op.Has(fsnotify.Remove)
		case <-time.After(10 * time.Second):
			t.Fatal("the private folder was not removed")
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(long); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// A wrong passphrase is logged with its peer and slowed down, the right one is
// never made to wait, and the memory of peers is bounded.
func TestGuard(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	g := newGuard("open sesame", slog.New(slog.NewTextHandler(&log, nil)))
	var slept []time.Duration
	g.sleep = func(_ context.Context, d time.Duration) { slept = append(slept, d) }
	from := func(ip, passphrase string) error {
		ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1000 + len(slept)}})
		if passphrase != "" {
			ctx = metadata.NewIncomingContext(ctx, metadata.Pairs(passphraseKey, passphrase))
		}
		return g.check(ctx)
	}
	for range 40 {
		if err := from("192.0.2.1", "guess-guess"); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
	}
	if len(slept) != 40 || slept[0] != wrongStep || slept[1] <= slept[0] || slept[39] != wrongMost {
		t.Errorf("waits %v", slept)
	}
	slept = nil
	if err := from("192.0.2.1", "open sesame"); err != nil || slept != nil {
		t.Errorf("the right one from the same peer: %v after %v", err, slept)
	}
	if err := from("192.0.2.2", ""); err == nil || len(slept) != 1 || slept[0] != wrongStep {
		t.Errorf("another peer waits %v", slept)
	}
	text := log.String()
	if !strings.Contains(text, "192.0.2.1") || !strings.Contains(text, "wrong passphrase") || !strings.Contains(text, "no passphrase") {
		t.Errorf("log: %s", text)
	}
	if strings.Contains(text, "guess-guess") || strings.Contains(text, "open sesame") {
		t.Errorf("the log mentions a passphrase: %s", text)
	}
	if n := strings.Count(text, "\n"); n > 10 {
		t.Errorf("%d lines in the log for one guesser", n)
	}
	for i := range 3 * maxSuspects {
		from(fmt.Sprintf("10.1.%d.%d", i/250, i%250), "x")
	}
	if len(g.peers) > maxSuspects {
		t.Errorf("%d peers are remembered", len(g.peers))
	}
	// Calls that wait are bounded, and end with their callers.
	g = newGuard("p", slog.New(slog.DiscardHandler))
	wait := g.sleep
	g.sleep = func(ctx context.Context, _ time.Duration) { wait(ctx, time.Hour) } // none may end before all wait
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range maxWaiting {
		all.Go(func() { g.check(ctx) })
	}
	eventually(t, "all wait", func() bool { return g.waits() == maxWaiting })
	if g.check(t.Context()) == nil || g.waits() != maxWaiting {
		t.Error("one more waits")
	}
	cancel()
	all.Wait()
	if g.waits() != 0 {
		t.Errorf("%d wait", g.waits())
	}
}

// waits tells how many calls wait.
func (g *guard) waits() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}

func TestPassphraseFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, want := range map[string]string{"open sesame\n": "open sesame", "open sesame": "open sesame", " p \r\n": " p ", "": "empty file", "\n": "empty file", "a\nb\n": "more than one line", "\x00": "more than one line"} {
		path := filepath.Join(dir, "pass")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := TCPOptions{PassphraseFile: path}
		got, err := o.passphrase()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || err == nil && got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for _, o := range []TCPOptions{{PassphraseFile: filepath.Join(dir, "none")}, {PassphraseFile: dir}, {PassphraseFile: filepath.Join(dir, "pass"), Passphrase: "x"}} {
		if _, err := o.passphrase(); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	b := newBench(t, fakesFile, "")
	path := filepath.Join(dir, "pass")
	if err := os.WriteFile(path, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr, err := b.ServeTCP("127.0.0.1:0", TCPOptions{Insecure: true, PassphraseFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Dial(t.Context(), addr.String(), client.Options{Insecure: true, Passphrase: "x"}); err == nil {
		t.Error("a wrong one passes")
	}
	find(t, dial(t, addr.String(), client.Options{Insecure: true, Passphrase: "from a file"}), "proxy")
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
	records, _ := b.ring.Since(0)
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
