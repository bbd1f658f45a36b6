package interop

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Python's paho speaks MQTT to a broker through the proxy: plain, over TLS with and
// without ALPN, and over WebSocket. The exchange is in the captures.
func TestMQTTOverEveryTransport(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	broker, openssl, client := program(t, "mosquitto"), program(t, "openssl"), clientPython(t)
	dir := tempDir(t)
	command(t, dir, openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=broker")
	plain, secure, socket, secureSocket := freePort(t), freePort(t), freePort(t), freePort(t)
	tls := fmt.Sprintf("certfile %s/cert.pem\nkeyfile %s/key.pem\n", dir, dir)
	write(t, filepath.Join(dir, "mosquitto.conf"), fmt.Sprintf(`per_listener_settings false
allow_anonymous true
user root
listener %d 127.0.0.1
listener %d 127.0.0.1
%slistener %d 127.0.0.1
protocol websockets
listener %d 127.0.0.1
protocol websockets
%s`, plain, secure, tls, socket, secureSocket, tls))
	start(t, dir, environ(nil), []int{0}, broker, "-c", "mosquitto.conf")
	for _, port := range []int{plain, secure, socket, secureSocket} {
		awaitListener(t, port)
	}
	for _, mode := range []string{"record", "mock"} {
		b := ours(t, "", "--start", mode)
		ca := b.certificate(t)
		for _, c := range []struct {
			name, transport, ca string
			port                int
			alpn                []string
			captured            string
		}{
			{"plain", "tcp", "-", plain, nil, "tcp"},
			{"TLS", "tcp", ca, secure, nil, "tcp"},
			{"TLS with ALPN mqtt", "tcp", ca, secure, []string{"mqtt"}, "tcp"},
			{"TLS with the ALPN of a cloud", "tcp", ca, secure, []string{"x-amzn-mqtt-ca"}, "tcp"},
			{"WebSocket", "websockets", "-", socket, nil, "101"},
			{"WebSocket over TLS", "websockets", ca, secureSocket, nil, "101"},
		} {
			t.Run(mode+" "+c.name, func(t *testing.T) {
				argv := append([]string{client, source("python/mqtt.py"), c.transport, c.ca, fmt.Sprint(b.port), "127.0.0.1", fmt.Sprint(c.port)}, c.alpn...)
				out := run(t, dir, environ(nil, "HOME="+dir), argv...)
				if out.code != 0 || out.stdout != "received hello from a device\n" {
					t.Fatalf("%s: %s", strings.Join(argv, " "), out)
				}
				list := b.mustJ(t, b.dir, "proxy", "capture", "list")
				if !strings.Contains(list, fmt.Sprint(c.port)) && !strings.Contains(list, c.captured) {
					t.Errorf("the exchange is not in the captures:\n%s", list)
				}
			})
		}
	}
}

// awaitListener waits until somebody listens on a port.
func awaitListener(t testing.TB, port int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nobody listens on port %d", port)
}
