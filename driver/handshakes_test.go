package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starproxy/driver/handshake"
)

// watched returns the first n handshakes that watch_handshakes streams.
func (b *bench) watched(n int, args ...any) (list []*handshake.View) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	seq, err := b.d.Values(ctx, "watch_handshakes", args)
	if err != nil {
		b.Fatal(err)
	}
	for item, err := range seq {
		if err != nil {
			b.Fatal(err)
		}
		if list = append(list, item.(*handshake.View)); len(list) == n {
			return list
		}
	}
	b.Fatalf("watch_handshakes%v: got %d handshakes, want %d", args, len(list), n)
	return nil
}

// rows returns the rows of tls_report in short.
func (b *bench) report(args ...any) (rows []string) {
	b.Helper()
	var r tlsReport
	if err := json.Unmarshal([]byte(b.call("tls_report", args...)), &r); err != nil {
		b.Fatal(err)
	}
	for _, row := range r.Hosts {
		rows = append(rows, fmt.Sprintf("%s %d=%d+%d %s %q", row.Host, row.Handshakes, row.Trusted, row.Rejected, row.Ended, row.Reason))
	}
	return rows
}

func TestHandshakeMethods(t *testing.T) {
	t.Parallel()
	b, proxy := secure(t)
	trusting, doubting := b.device(proxy, true), b.device(proxy, true)
	doubting.transport().TLSClientConfig.RootCAs = nil
	if got := doubting.ask("bank.test"); !strings.Contains(got, "unknown authority") {
		t.Fatal(got)
	}
	const corrupt = "the device finds our certificate corrupt or its signature wrong"
	first := b.watched(1)[0]
	if first.Host != "bank.test" || first.Ended != handshake.Rejected || first.Alert != "bad_certificate" || first.Reason != corrupt {
		t.Errorf("got %+v", first)
	}
	if got := trusting.ask("api.test"); got != "200" {
		t.Fatal(got)
	}
	const pinned = "it pins this host: it accepts our certificate for others"
	if d := cmp.Diff([]string{
		`api.test 1=1+0 trusted ""`,
		`bank.test 1=0+1 rejected "` + pinned + `"`,
	}, b.report()); d != "" {
		t.Errorf("tls_report (-want +got):\n%s", d)
	}
	for args, want := range map[[2]string]int{
		{"*.test", ""}: 2, {"api.test", ""}: 1, {"*", "127.0.0.1"}: 2, {"", "10.0.0.1"}: 0, {"other.test", ""}: 0,
	} {
		if got := len(b.report(args[0], args[1])); got != want {
			t.Errorf("tls_report%q: got %d rows, want %d", args, got, want)
		}
	}
	var list []*handshake.View
	if err := json.Unmarshal([]byte(b.call("list_handshakes", "", "", 1.0)), &list); err != nil || len(list) != 1 {
		t.Fatalf("got %d handshakes after the first one, %v", len(list), err)
	}
	if w := list[0]; w.Number != 2 || w.SNI != "api.test" || w.Agreed == nil || w.Agreed.Version != "TLS 1.3" || len(w.JA4) != 36 || len(w.JA3) != 32 {
		t.Errorf("got %+v", w)
	}
	if w := b.watched(1, "bank.test")[0]; !w.Pinned || w.Reason != pinned {
		t.Errorf("watched again: got %+v, want a pinned host", w)
	}
	counts := b.status()["handshakes"]
	if d := cmp.Diff(map[string]any{"trusted": 1.0, "rejected": 1.0, "left": 0.0, "never_offered": 0.0}, counts); d != "" {
		t.Errorf("status (-want +got):\n%s", d)
	}
	b.want("TLS handshakes forgotten: 2", "clear_handshakes")
	b.want("[]", "list_handshakes")
	b.want("INVALID_ARGUMENT tls_report: host: got \"\", want a name or an address; patterns are a host, *.domain or *", "tls_report", "*.")
	b.want(`INVALID_ARGUMENT list_handshakes: client: got "me", want an IP address`, "list_handshakes", "", "me")
	b.want("INVALID_ARGUMENT list_handshakes: limit: got 0, want at least 1", "list_handshakes", "", "", 0.0, 0.0)
}

// A captured request tells the handshake of its connection.
func TestHandshakeOfCapture(t *testing.T) {
	t.Parallel()
	b, proxy := secure(t)
	d := b.device(proxy, true)
	d.ask("a.test")
	d.ask("b.test")
	for seq, host := range map[float64]string{1: "a.test", 2: "b.test"} {
		var detail struct{ Handshake *handshake.View }
		if err := json.Unmarshal([]byte(b.call("get_capture", seq)), &detail); err != nil {
			t.Fatal(err)
		}
		if h := detail.Handshake; h == nil || h.SNI != host || h.Ended != handshake.Trusted || h.Offered == nil {
			t.Errorf("request %v: got the handshake %+v, want that of %s", seq, h, host)
		}
	}
	b.call("clear_handshakes")
	if text := b.call("get_capture", 1.0); !strings.Contains(text, `"handshake":null`) {
		t.Errorf("after clear_handshakes: got %s", text)
	}
}

func (d tlsDevice) transport() *http.Transport { return d.Transport.(*http.Transport) }
