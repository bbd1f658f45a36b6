package flow

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"

	"github.com/google/go-cmp/cmp"
)

// sum is how the index tells of a body.
type sum struct {
	Len    int    `json:"len"`
	SHA256 string `json:"sha256"`
}

func sumOf(b []byte) sum {
	h := sha256.Sum256(b)
	return sum{len(b), hex.EncodeToString(h[:])}
}

// golden is what mitmproxy's own reader sees in a flow.
type golden struct {
	Version       int            `json:"version"`
	Type          string         `json:"type"`
	ID            string         `json:"id"`
	Marked        string         `json:"marked"`
	Comment       string         `json:"comment"`
	Replay        *string        `json:"is_replay"`
	Metadata      map[string]any `json:"metadata"`
	ClientPeer    []any          `json:"client_peer"`
	ServerAddress []any          `json:"server_address"`
	ClientTLS     bool           `json:"client_tls"`
	ALPN          *string        `json:"alpn"`
	ServerCerts   int            `json:"server_certs"`
	Request       struct {
		Method, Scheme, Host string
		Port                 int
		Path, Authority      string
		Proto                string `json:"http_version"`
		Headers              [][2]string
		Raw, Decoded         sum
	}
	Response *struct {
		Status       int
		Reason       string
		Proto        string `json:"http_version"`
		Headers      [][2]string
		Trailers     [][2]string
		Raw, Decoded sum
	}
	WebSocket *struct {
		ClosedByClient *bool  `json:"closed_by_client"`
		CloseCode      int    `json:"close_code"`
		CloseReason    string `json:"close_reason"`
		Messages       []struct {
			Type       int
			FromClient bool `json:"from_client"`
			sum
		}
	}
}

// samples are the recordings in testdata and what is in them.
func samples(t testing.TB) map[string][]golden {
	t.Helper()
	data, err := os.ReadFile("testdata/index.json")
	if err != nil {
		t.Fatal(err)
	}
	var index map[string][]golden
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	return index
}

// TestGolden compares all samples with what mitmproxy sees in them, read as a
// file, as a stream, one by one, and written by us.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, want := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", name)
			file, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			flows := all(t, file.Flows())
			compare(t, flows, want)
			for i, f := range flows {
				again, err := file.FlowAt(f.Offset)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(f, again, unexported); diff != "" {
					t.Errorf("flow %d at %d (-read in a row +read alone):\n%s", i, f.Offset, diff)
				}
			}
			var out bytes.Buffer
			w := NewWriter(&out)
			for _, f := range flows {
				if err := w.Write(f); err != nil {
					t.Fatal(err)
				}
			}
			for i := range want {
				want[i].Version = 17
			}
			compare(t, all(t, opened(t, out.Bytes(), Options{}).Flows()), want)
			others := map[string]int(nil)
			for _, g := range want {
				if g.Type != "http" {
					others = map[string]int{g.Type: others[g.Type] + 1}
				}
			}
			if got := file.Skipped(); !reflect.DeepEqual(got, others) {
				t.Errorf("skipped %v, expected %v", got, others)
			}
		})
	}
}

// all are the flows of a recording that has no errors.
func all(t testing.TB, seq iter.Seq2[*Flow, error]) []*Flow {
	t.Helper()
	var flows []*Flow
	for f, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		flows = append(flows, f)
	}
	return flows
}

func compare(t *testing.T, flows []*Flow, want []golden) {
	t.Helper()
	for _, g := range want {
		if g.Type != "http" {
			continue
		}
		if len(flows) == 0 {
			t.Fatalf("flow %s is missing", g.ID)
		}
		got := goldenOf(t, flows[0])
		flows = flows[1:]
		if len(g.Metadata) == 0 {
			g.Metadata = nil
		}
		if len(g.Request.Headers) == 0 {
			g.Request.Headers = nil
		}
		if diff := cmp.Diff(g, got, unexported); diff != "" {
			t.Errorf("flow %s (-want +got):\n%s", g.ID, diff)
		}
	}
	if len(flows) > 0 {
		t.Errorf("%d flows too many", len(flows))
	}
}

// goldenOf says of a flow what the index says.
func goldenOf(t *testing.T, f *Flow) golden {
	t.Helper()
	g := golden{Version: f.Version, Type: "http", ID: f.ID, Marked: f.Marked, Comment: f.Comment, Metadata: f.Metadata,
		ClientPeer: pairOf(f.Client.Peer), ServerAddress: pairOf(f.Server.Address), ClientTLS: f.Client.TLS, ServerCerts: len(f.Server.Certificates)}
	if f.Replayed != "" {
		g.Replay = &f.Replayed
	}
	if f.Client.ALPN != "" {
		g.ALPN = &f.Client.ALPN
	}
	r, q := &g.Request, &f.Request
	r.Method, r.Scheme, r.Host, r.Port, r.Path, r.Authority, r.Proto = q.Method, q.Scheme, q.Host, q.Port, q.Path, q.Authority, q.Proto
	r.Headers = pairsOf(q.Header)
	r.Raw, r.Decoded = sums(t, q.Header, q.Body)
	if p := f.Response; p != nil {
		g.Response = &struct {
			Status       int
			Reason       string
			Proto        string `json:"http_version"`
			Headers      [][2]string
			Trailers     [][2]string
			Raw, Decoded sum
		}{Status: p.Status, Reason: p.Reason, Proto: p.Proto, Headers: pairsOf(p.Header), Trailers: pairsOf(p.Trailer)}
		g.Response.Raw, g.Response.Decoded = sums(t, p.Header, p.Body)
	}
	if w := f.WebSocket; w != nil {
		g.WebSocket = &struct {
			ClosedByClient *bool  `json:"closed_by_client"`
			CloseCode      int    `json:"close_code"`
			CloseReason    string `json:"close_reason"`
			Messages       []struct {
				Type       int
				FromClient bool `json:"from_client"`
				sum
			}
		}{ClosedByClient: w.ClosedByClient, CloseCode: w.CloseCode, CloseReason: w.CloseReason}
		for _, m := range w.Messages {
			opcode := 1
			if m.Binary {
				opcode = 2
			}
			g.WebSocket.Messages = append(g.WebSocket.Messages, struct {
				Type       int
				FromClient bool `json:"from_client"`
				sum
			}{opcode, m.FromClient, sumOf(m.Data)})
		}
	}
	return g
}

func pairOf(addr string) []any {
	host, port, ok := splitAddress(addr)
	if !ok {
		return nil
	}
	return []any{host, float64(port)}
}

func pairsOf(fields exchange.Header) [][2]string {
	var pairs [][2]string
	for _, f := range fields {
		pairs = append(pairs, [2]string{f.Name, f.Value})
	}
	return pairs
}

func sums(t *testing.T, fields exchange.Header, b Body) (raw, decoded sum) {
	t.Helper()
	data := load(t, b)
	plain, err := exchange.Decode(data, exchange.Encodings(fields), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return sumOf(data), sumOf(plain)
}

// load reads a body from where it is.
func load(t testing.TB, b Body) []byte {
	t.Helper()
	r, err := capture.OpenBody(b.Blob)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != b.Size {
		t.Fatalf("body of %d bytes, expected %d", len(data), b.Size)
	}
	return data
}
