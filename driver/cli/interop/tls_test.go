package interop

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// forwarder is a port of this machine behind which there is a tunnel through
// the proxy to target, for clients that know no proxies.
func (b *bench) forwarder(t testing.TB, target string) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				p, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)))
				if err != nil {
					return
				}
				defer p.Close()
				fmt.Fprintf(p, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
				r := bufio.NewReader(p)
				for line := ""; line != "\r\n"; {
					if line, err = r.ReadString('\n'); err != nil {
						return
					}
				}
				go func() {
					io.Copy(p, c)
					p.(*net.TCPConn).CloseWrite()
				}()
				io.Copy(c, r)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// certificate writes the CA's certificate and gives its path.
func (b *bench) certificate(t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(strings.TrimPrefix(b.mustJ(t, b.dir, "proxy", "cert", "ca.pem"), "CA certificate written to: "))
}

// request runs a TLS client that sends a request, and gives all it prints.
func request(t testing.TB, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	// The input stays open until the client ends: some leave at its end.
	go io.WriteString(in, "GET /x HTTP/1.1\r\nHost: old.test\r\nConnection: close\r\n\r\n")
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	out, _ := cmd.CombinedOutput()
	return string(out)
}

const oldBench = `      tls: {min_version: 1.0}
      mocks:
        GET /x: {body: "served the old one"}
`

// OpenSSL with what devices had ten years ago, and with small buffers.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	openssl := program(t, "openssl")
	b := ours(t, oldBench, "--start", "mock")
	ca := b.certificate(t)
	for _, args := range []string{
		"-tls1 -cipher ALL:@SECLEVEL=0",
		"-tls1 -cipher AES128-SHA:@SECLEVEL=0",
		"-tls1_1 -cipher ALL:@SECLEVEL=0",
		"-tls1_2 -cipher AES128-SHA -alpn h2,http/1.1",
		"-tls1_2 -cipher AES128-SHA256 -alpn h2,http/1.1",
		"-tls1_2 -cipher AES256-GCM-SHA384",
		"-tls1_2 -cipher ECDHE-RSA-AES128-SHA256 -alpn h2,http/1.1",
		"-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256 -alpn h2,http/1.1",
		"-tls1_2 -cipher ECDHE-RSA-AES128-SHA:@SECLEVEL=0 -sigalgs RSA+SHA1",
		"-tls1_3 -alpn http/1.0",
		"-alpn x-unknown",
		"-maxfraglen 512", "-maxfraglen 1024", "-maxfraglen 4096", "-maxfraglen 512 -tls1_2 -alpn h2,http/1.1",
	} {
		t.Run(args, func(t *testing.T) {
			out := request(t, append([]string{openssl, "s_client", "-proxy", fmt.Sprintf("127.0.0.1:%d", b.port), "-connect", "old.test:443",
				"-servername", "old.test", "-CAfile", ca, "-verify_return_error", "-ign_eof"}, strings.Fields(args)...)...)
			if !strings.Contains(out, "served the old one") {
				t.Error(out)
			}
		})
	}
}

// GnuTLS likewise.
func TestGnuTLS(t *testing.T) {
	t.Parallel()
	gnutls := program(t, "gnutls-cli")
	b := ours(t, oldBench, "--start", "mock")
	ca, port := b.certificate(t), b.forwarder(t, "old.test:443")
	for _, args := range []string{
		"--priority NORMAL:-VERS-ALL:+VERS-TLS1.0:%COMPAT",
		"--priority NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT",
		"--priority NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA256 --alpn h2 --alpn http/1.1",
		"--recordsize 512", "--recordsize 1024 --alpn h2 --alpn http/1.1", "--priority NORMAL:-VERS-ALL:+VERS-TLS1.3",
	} {
		t.Run(args, func(t *testing.T) {
			out := request(t, append(append([]string{gnutls}, strings.Fields(args)...),
				"--x509cafile", ca, "--sni-hostname", "old.test", "--verify-hostname", "old.test", "--port", strconv.Itoa(port), "127.0.0.1")...)
			if !strings.Contains(out, "served the old one") {
				t.Error(out)
			}
		})
	}
}

// Mosquitto's clients reach a broker with TLS, recorded, and mitmproxy reads it.
func TestMQTT(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	broker, pub, sub := program(t, "mosquitto"), program(t, "mosquitto_pub"), program(t, "mosquitto_sub")
	dir := tempDir(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	// As root the broker would become another user, who can't read the files.
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	port := freePort(t)
	write(t, filepath.Join(dir, "mosquitto.conf"), fmt.Sprintf("user root\nallow_anonymous true\nlistener %d 127.0.0.1\ncertfile %s/cert.pem\nkeyfile %s/key.pem\n", port, dir, dir))
	start(t, dir, environ(nil), []int{0, -1}, broker, "-c", filepath.Join(dir, "mosquitto.conf"))
	target := fmt.Sprintf("127.0.0.1:%d", port)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", target)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the broker does not listen:", err)
		}
	}
	b := ours(t, "", "--start", "record")
	ca, forward := b.certificate(t), strconv.Itoa(b.forwarder(t, target))
	for _, alpn := range []string{"", "mqtt", "x-amzn-mqtt-ca"} {
		args := []string{"-h", "127.0.0.1", "-p", forward, "--cafile", ca, "-t", "t/" + alpn}
		if alpn != "" {
			args = append(args, "--tls-alpn", alpn)
		}
		if out := run(t, dir, environ(nil), append(append([]string{pub}, args...), "-r", "-m", "hello from "+alpn)...); out.code != 0 {
			t.Fatalf("publish with ALPN %q: %s", alpn, out)
		}
		if out := run(t, dir, environ(nil), append(append([]string{sub}, args...), "-C", "1", "-W", "60")...); out.code != 0 || out.stdout != "hello from "+alpn+"\n" {
			t.Errorf("subscribe with ALPN %q: %s", alpn, out)
		}
	}
	if out := b.mustJ(t, b.dir, "proxy", "capture", "list", "--filter-expr", "~tcp & ~b 'hello from mqtt'"); !strings.HasPrefix(out, "2 captured request(s):") {
		t.Error(out)
	}
	b.mustJ(t, b.dir, "proxy", "stop")
	files, _ := filepath.Glob(filepath.Join(b.dir, "flows", "*.bin"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	out := run(t, dir, environ([]string{mitmproxy(t)}), "mitmdump", "-nr", files[0], "--flow-detail", "0", "-s", counter(t, dir))
	if !strings.Contains(out.stdout, "6 tcp flows, 6 with hello") {
		t.Error(out)
	}
}

// counter writes a mitmproxy script that counts streams.
func counter(t testing.TB, dir string) string {
	path := filepath.Join(dir, "count.py")
	write(t, path, `
n = hello = 0
def tcp_end(flow):
    global n, hello
    n += 1
    hello += any(b"hello from" in m.content for m in flow.messages)
def done():
    print(f"{n} tcp flows, {hello} with hello", flush=True)
`)
	return path
}
