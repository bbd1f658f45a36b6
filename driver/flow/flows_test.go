package flow

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"

	"github.com/google/go-cmp/cmp"
)

// at is a time as a float of seconds can have it.
func at(ms int64) time.Time {
	return time.Unix(1795416242, 0).Add(time.Duration(ms) * time.Millisecond)
}

func memory(s string) Body { return Body{Blob: capture.Blob{Size: int64(len(s)), Data: []byte(s)}} }

// onFile is a body in a file, with something around it.
func onFile(t testing.TB, s string) Body {
	t.Helper()
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, []byte("before"+s+"after"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Body{Blob: capture.Blob{Size: int64(len(s)), Path: path, Off: 6}}
}

func certificate(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: at(1e9), DNSNames: []string{"api.example.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// every gives flows that have all there is in a recording.
func every(t testing.TB) []*Flow {
	t.Helper()
	byClient := true
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	client := Conn{ID: "00000000-0000-4000-8000-0000000000c1", Peer: "127.0.0.1:50000", Sock: "[::1]:8080", Start: at(1)}
	plain := &Flow{
		ID: "00000000-0000-4000-8000-000000000001", Created: at(1),
		Request: Request{Method: "POST", Scheme: "http", Host: "localhost", Port: 8080, Path: "/a?x=1&x=%32", Proto: "HTTP/1.1",
			Header: exchange.HeaderOf("Host", "localhost:8080", "X-Twice", "1", "x-twice", "\xff\x00 2", "X-Twice", ""),
			Body:   memory(string(binary)), Start: at(2), End: at(3)},
		Response: &Response{Status: 201, Reason: "Cre\xe9", Proto: "HTTP/1.1", Header: exchange.HeaderOf("Content-Type", "text/plain"),
			Body: memory("10:not a frame,"), Start: at(4), End: at(5)},
		Client: client,
		Server: Conn{ID: "00000000-0000-4000-8000-0000000000d1", Peer: "127.0.0.1:8080", Sock: "127.0.0.1:40000", Address: "localhost:8080", Start: at(2), Connected: at(3), End: at(9), Error: "reset"},
		Marked: ":default:", Comment: "für später", Replayed: "response",
		Metadata: map[string]any{"a": int64(1), "big": json.Number("-18446744073709551616"), "b": []any{true, nil, 1.5, "x"}, "c": map[string]any{"d": 1e300, "e": 1e-7}},
	}
	tls := &Flow{
		ID: "00000000-0000-4000-8000-000000000002", Created: at(1),
		Request: Request{Method: "GET", Scheme: "https", Host: "api.example.test", Port: 443, Path: "/", Authority: "api.example.test", Proto: "HTTP/2.0",
			Header: exchange.HeaderOf("accept", "*/*"), Trailer: exchange.HeaderOf("x-end", "1"), Start: at(2)},
		Response: &Response{Status: 200, Proto: "HTTP/2.0", Header: exchange.HeaderOf("te", "trailers"), Trailer: exchange.HeaderOf("grpc-status", "0", "a", "b"),
			Body: memory(strings.Repeat("large ", 1000)), Start: at(4)},
		Client: Conn{ID: client.ID, Peer: "[fe80::1%eth0]:5", Sock: "127.0.0.1:8080", TLS: true, TLSVersion: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256", SNI: "api.example.test", ALPN: "h2", Start: at(1), TLSSetup: at(2)},
		Server: Conn{ID: "00000000-0000-4000-8000-0000000000d2", Address: "api.example.test:443", TLS: true, TLSVersion: "TLSv1.2", SNI: "api.example.test", ALPN: "h2", Certificates: [][]byte{certificate(t), certificate(t)}, Start: at(1), TLSSetup: at(2)},
	}
	failed := &Flow{
		ID: "00000000-0000-4000-8000-000000000003", Created: at(1),
		Request: Request{Method: "GET", Scheme: "http", Host: "nowhere.test", Port: 80, Path: "/", Proto: "HTTP/1.1", Start: at(2)},
		Error:   &Error{"connection refused", at(6)},
		Client:  client, Server: Conn{ID: "00000000-0000-4000-8000-0000000000d3"},
	}
	missing := &Flow{
		ID: "00000000-0000-4000-8000-000000000004", Created: at(1),
		Request:  Request{Method: "PUT", Scheme: "http", Host: "localhost", Port: 80, Path: "*", Proto: "HTTP/1.0", Body: Body{Missing: true}, Start: at(2)},
		Response: &Response{Status: 500, Reason: "Oh", Proto: "HTTP/1.0", Body: Body{Missing: true}, Start: at(2)},
		Client:   Conn{ID: client.ID, Start: at(1)}, Server: Conn{ID: "00000000-0000-4000-8000-0000000000d4"},
	}
	socket := &Flow{
		ID: "00000000-0000-4000-8000-000000000005", Created: at(1),
		Request:  Request{Method: "GET", Scheme: "http", Host: "localhost", Port: 80, Path: "/ws", Proto: "HTTP/1.1", Header: exchange.HeaderOf("Upgrade", "websocket"), Start: at(2)},
		Response: &Response{Status: 101, Reason: "Switching Protocols", Proto: "HTTP/1.1", Start: at(2)},
		WebSocket: &WebSocket{Messages: []Message{
			{FromClient: true, Data: []byte("grüß"), Time: at(3)},
			{Binary: true, Data: binary, Time: at(4), Dropped: true},
			{Data: []byte("x"), Time: at(5), Injected: true},
			{Binary: true, FromClient: true, Time: at(6)},
		}, ClosedByClient: &byClient, CloseCode: 1001, CloseReason: "going", End: at(9)},
		Client: client, Server: Conn{ID: "00000000-0000-4000-8000-0000000000d5", Address: "[2001:db8::1]:80"},
	}
	open := &Flow{
		ID: "00000000-0000-4000-8000-000000000006", Created: at(1),
		Request:   Request{Method: "GET", Scheme: "http", Host: "localhost", Port: 80, Path: "/ws", Proto: "HTTP/1.1", Start: at(2)},
		Response:  &Response{Status: 101, Reason: "Switching Protocols", Proto: "HTTP/1.1", Start: at(2)},
		WebSocket: &WebSocket{},
		Client:    client, Server: Conn{ID: "00000000-0000-4000-8000-0000000000d6"},
	}
	return []*Flow{plain, tls, failed, missing, socket, open}
}

// encoded is a flow file.
func encoded(t testing.TB, flows ...*Flow) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, f := range flows {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// saved writes a file into a directory of the test.
func saved(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// unexported lets cmp look into all fields.
var unexported = cmp.Exporter(func(reflect.Type) bool { return true })

// opened opens data as a recording.
func opened(t testing.TB, data []byte, o Options) *File {
	t.Helper()
	file, err := OpenWith(saved(t, "recording", data), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// plain puts what readers add or leave elsewhere the way it was written.
func plain(t testing.TB, f *Flow) *Flow {
	t.Helper()
	g := *f
	g.Version, g.Offset = 0, 0
	inMemory := func(b Body) Body {
		if b.Missing || b.Truncated {
			return Body{Missing: true}
		}
		if b.Path != "" {
			return memory(string(load(t, b)))
		}
		return b
	}
	g.Request.Body = inMemory(g.Request.Body)
	if f.Response != nil {
		r := *f.Response
		r.Body = inMemory(r.Body)
		g.Response = &r
	}
	return &g
}
