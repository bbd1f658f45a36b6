package flow

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"starproxy/builtins/exchange"
)

// typical gives n flows as an API client makes them, with bodies of 2 KiB.
func typical(n int) []*Flow {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz0123456789 \",{}"[random.IntN(41)]
		}
		return string(b)
	}
	flows := make([]*Flow, n)
	for i := range flows {
		start := at(int64(i) * 7)
		flows[i] = &Flow{
			ID: uuid.NewString(), Created: start,
			Request: Request{Method: "GET", Scheme: "https", Host: "api.example.test", Port: 443, Path: fmt.Sprintf("/v1/items/%d?page=%d", i%500, i), Proto: "HTTP/1.1",
				Header: exchange.HeaderOf("Host", "api.example.test", "User-Agent", "device/1.0", "Accept", "application/json", "Accept-Encoding", "gzip", "X-Request-Id", word(24), "Connection", "keep-alive"),
				Start:  start, End: start.Add(time.Millisecond)},
			Response: &Response{Status: 200, Reason: "OK", Proto: "HTTP/1.1",
				Header: exchange.HeaderOf("Content-Type", "application/json", "Content-Length", "2048", "Date", "Mon, 23 Nov 2026 06:44:02 GMT", "ETag", word(16), "Cache-Control", "no-store", "Server", "test"),
				Body:   memory(word(2048)), Start: start.Add(2 * time.Millisecond), End: start.Add(3 * time.Millisecond)},
			Client: Conn{ID: uuid.NewString(), Peer: "127.0.0.1:50000", Sock: "127.0.0.1:8080", TLS: true, TLSVersion: "TLSv1.3", Cipher: "TLS_AES_128_GCM_SHA256", SNI: "api.example.test", ALPN: "http/1.1", Start: start, TLSSetup: start},
			Server: Conn{ID: uuid.NewString(), Peer: "127.0.0.1:443", Sock: "127.0.0.1:40000", Address: "api.example.test:443", TLS: true, TLSVersion: "TLSv1.3", SNI: "api.example.test", Start: start, Connected: start, TLSSetup: start},
		}
	}
	return flows
}

func BenchmarkRead(b *testing.B) {
	data := encoded(b, typical(5000)...)
	file, err := Open(saved(b, "bench.flow", data))
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	run := func(name string, pass func() int) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n += pass()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "flows/s")
		})
	}
	run("file", func() int { return len(all(b, file.Flows())) })
	large := typical(100)
	for _, f := range large {
		f.Response.Body = memory(strings.Repeat("0123456789abcdef", 1<<14))
	}
	data = encoded(b, large...)
	second, err := Open(saved(b, "large.flow", data))
	if err != nil {
		b.Fatal(err)
	}
	defer second.Close()
	run("large bodies", func() int { return len(all(b, second.Flows())) })
}

func BenchmarkWrite(b *testing.B) {
	flows := typical(5000)
	b.SetBytes(int64(len(encoded(b, flows...))))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		w := NewWriter(io.Discard)
		for _, f := range flows {
			if err := w.Write(f); err != nil {
				b.Fatal(err)
			}
		}
		n += len(flows)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "flows/s")
}
