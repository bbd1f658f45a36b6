package flow

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

// python returns the interpreter that has mitmproxy, which "make venv-mitmproxy"
// installs. Plain "go test" skips the tests that need it.
func python(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../.venv-mitmproxy/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("STARPROXY_INTEROP") == "" && os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip(`it takes long: "make test" runs it, or go test with STARPROXY_INTEROP=1`)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a Python program and gives what it prints.
func run(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python(t), append([]string{"-c", program}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.Bytes())
	}
	return out.Bytes()
}

// tell prints what mitmproxy sees in a recording, as JSON, and writes it again
// when there is a second file.
const tell = `
import base64, json, sys
from mitmproxy import io
b = lambda x: None if x is None else base64.b64encode(x).decode()
hostport = lambda a: "" if a is None else ("[%s]:%d" if ":" in a[0] else "%s:%d") % (a[0], a[1])
def fields(h):
    return None if h is None else [[b(k), b(v)] for k, v in h.fields]
def conn(c):
    d = dict(id=c.id, peer=hostport(c.peername), sock=hostport(c.sockname), tls=c.tls, version=c.tls_version, cipher=c.cipher, sni=c.sni,
             alpn=b(c.alpn), certs=[b(x.to_pem()) for x in c.certificate_list], start=c.timestamp_start, setup=c.timestamp_tls_setup,
             end=c.timestamp_end, established=c.tls_established, error=c.error)
    if hasattr(c, "timestamp_tcp_setup"):
        d.update(address=hostport(c.address), connected=c.timestamp_tcp_setup)
    return d
def message(m):
    d = dict(proto=m.http_version, headers=fields(m.headers), trailers=fields(m.trailers), content=b(m.raw_content), start=m.timestamp_start, end=m.timestamp_end)
    if hasattr(m, "status_code"):
        d.update(status=m.status_code, reason=b(m.data.reason))
    else:
        d.update(method=m.method, scheme=m.scheme, host=m.host, port=m.port, path=m.path, authority=m.authority)
    return d
flows = list(io.FlowReader(open(sys.argv[1], "rb")).stream())
print(json.dumps([dict(
    type=f.type, id=f.id, created=f.timestamp_created, marked=f.marked, comment=f.comment, replay=f.is_replay, metadata=f.metadata,
    error=f.error and dict(msg=f.error.msg, time=f.error.timestamp), client=conn(f.client_conn), server=conn(f.server_conn),
    request=message(f.request), response=f.response and message(f.response),
    websocket=f.websocket and dict(by=f.websocket.closed_by_client, code=f.websocket.close_code, reason=f.websocket.close_reason, end=f.websocket.timestamp_end,
        messages=[[int(m.type), m.from_client, b(m.content), m.timestamp, m.dropped, m.injected] for m in f.websocket.messages])) for f in flows]))
if len(sys.argv) > 2:
    with open(sys.argv[2], "wb") as out:
        w = io.FlowWriter(out)
        for f in flows:
            w.add(f)
`

// told is what tell should print of a flow.
func told(f *Flow) map[string]any {
	b64 := func(b []byte) any { return base64.StdEncoding.EncodeToString(b) }
	fields := func(list exchange.Header) any {
		pairs := []any{}
		for _, f := range list {
			pairs = append(pairs, []any{b64([]byte(f.Name)), b64([]byte(f.Value))})
		}
		return pairs
	}
	// when is a time as our own encoder has it.
	when := func(e func(*encoder)) any {
		var enc encoder
		e(&enc)
		s := string(enc.buf[enc.at:])
		if s == "0:~" {
			return nil
		}
		_, s, _ = strings.Cut(s, ":")
		v, _ := strconv.ParseFloat(s[:len(s)-1], 64)
		return v
	}
	name := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	conn := func(c *Conn) map[string]any {
		certs := []any{}
		for _, c := range c.Certificates {
			certs = append(certs, b64(c))
		}
		alpn := any(nil)
		if c.ALPN != "" {
			alpn = b64([]byte(c.ALPN))
		}
		return map[string]any{"id": c.ID, "peer": c.Peer, "sock": c.Sock, "tls": c.TLS, "version": name(c.TLSVersion), "cipher": name(c.Cipher), "sni": name(c.SNI),
			"alpn": alpn, "certs": certs, "start": when(func(e *encoder) { e.time(c.Start) }), "setup": when(func(e *encoder) { e.time(c.TLSSetup) }),
			"end": when(func(e *encoder) { e.time(c.End) }), "established": !c.TLSSetup.IsZero(), "error": name(c.Error)}
	}
	client, server := conn(&f.Client), conn(&f.Server)
	for _, key := range []string{"peer", "sock"} {
		if client[key] == "" {
			client[key] = "127.0.0.1:0"
		}
	}
	server["address"], server["connected"] = f.Server.Address, when(func(e *encoder) { e.time(f.Server.Connected) })
	message := func(proto string, header, trailer exchange.Header, b Body) map[string]any {
		m := map[string]any{"proto": proto, "headers": fields(header), "trailers": nil, "content": nil}
		if trailer != nil {
			m["trailers"] = fields(trailer)
		}
		if !b.Missing {
			m["content"] = b64(b.Data)
		}
		return m
	}
	q := &f.Request
	request := message(q.Proto, q.Header, q.Trailer, q.Body)
	for key, v := range map[string]any{"method": q.Method, "scheme": q.Scheme, "host": q.Host, "port": float64(q.Port), "path": q.Path, "authority": q.Authority,
		"start": when(func(e *encoder) { e.time(q.Start) }), "end": when(func(e *encoder) { e.time(q.End) })} {
		request[key] = v
	}
	all := map[string]any{"type": "http", "id": f.ID, "created": when(func(e *encoder) { e.time(f.Created) }), "marked": f.Marked, "comment": f.Comment, "replay": name(f.Replayed),
		"metadata": map[string]any{}, "error": nil, "client": client, "server": server, "request": request, "response": nil, "websocket": nil}
	if f.Metadata != nil {
		all["metadata"] = f.Metadata
	}
	if f.Error != nil {
		all["error"] = map[string]any{"msg": f.Error.Message, "time": when(func(e *encoder) { e.time(f.Error.Time) })}
	}
	if r := f.Response; r != nil {
		response := message(r.Proto, r.Header, r.Trailer, r.Body)
		response["status"], response["reason"] = float64(r.Status), b64([]byte(r.Reason))
		response["start"], response["end"] = when(func(e *encoder) { e.time(r.Start) }), when(func(e *encoder) { e.time(r.End) })
		all["response"] = response
	}
	if w := f.WebSocket; w != nil {
		messages := []any{}
		for _, m := range w.Messages {
			opcode := 1.0
			if m.Binary {
				opcode = 2
			}
			messages = append(messages, []any{opcode, m.FromClient, b64(m.Data), when(func(e *encoder) { e.time(m.Time) }), m.Dropped, m.Injected})
		}
		socket := map[string]any{"by": nil, "code": nil, "reason": name(w.CloseReason), "end": when(func(e *encoder) { e.time(w.End) }), "messages": messages}
		if w.ClosedByClient != nil {
			socket["by"] = *w.ClosedByClient
		}
		if w.CloseCode != 0 {
			socket["code"] = float64(w.CloseCode)
		}
		all["websocket"] = socket
	}
	return all
}

// TestMitmproxyReads has mitmproxy read what was written here, and write it for
// us to read.
func TestMitmproxyReads(t *testing.T) {
	t.Parallel()
	flows := every(t)
	in, back := saved(t, "ours.flow", encoded(t, flows...)), filepath.Join(t.TempDir(), "theirs.flow")
	var got []map[string]any
	if err := json.Unmarshal(run(t, tell, in, back), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(flows) {
		t.Fatalf("it read %d flows, expected %d", len(got), len(flows))
	}
	for i, f := range flows {
		// Through JSON, for its numbers.
		var want map[string]any
		b, err := json.Marshal(told(f))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		for key := range want {
			if !reflect.DeepEqual(got[i][key], want[key]) {
				t.Errorf("flow %d, %s: got %v\nexpected %v", i, key, got[i][key], want[key])
			}
		}
	}
	file, err := Open(back)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	again := all(t, file.Flows())
	if len(again) != len(flows) {
		t.Fatalf("it wrote %d flows, expected %d", len(again), len(flows))
	}
	for i, f := range flows {
		if g := plain(t, again[i]); !reflect.DeepEqual(g, f) {
			t.Errorf("flow %d\ngot      %s\nexpected %s", i, text(g), text(f))
		}
	}
	if v := again[0].Version; v < newest {
		t.Logf("it writes format %d", v)
	}
}

// TestMitmproxyHAR has mitmproxy read a HAR document from here, and us its own.
func TestMitmproxyHAR(t *testing.T) {
	t.Parallel()
	flows := every(t)
	flows = append(flows[:2:2], flows[4]) // it wants an answer in each
	in := saved(t, "ours.har", exported(t, flows...))
	back := filepath.Join(t.TempDir(), "theirs.har")
	out := run(t, `
import json, sys
from mitmproxy import io
from mitmproxy.addons.savehar import SaveHar
flows = list(io.FlowReader(open(sys.argv[1], "rb")).stream())
print(json.dumps([[f.request.url, f.response.status_code, len(f.response.content)] for f in flows]))
ours = list(io.FlowReader(open(sys.argv[3], "rb")).stream())
json.dump(SaveHar().make_har(ours), open(sys.argv[2], "w"))
`, in, back, saved(t, "ours.flow", encoded(t, flows...)))
	want := `[["http://localhost:8080/a?x=1&x=%32", 201, 15], ["https://api.example.test/", 200, 6000], ["http://localhost/ws", 101, 0]]`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("it sees %s, expected %s", got, want)
	}
	file, err := Open(back)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i, g := range all(t, file.Flows()) {
		f := flows[i]
		if a, b := fmt.Sprint(g.Request.Path, g.Response.Status, len(load(t, g.Response.Body))), fmt.Sprint(f.Request.Path, f.Response.Status, len(f.Response.Body.Data)); a != b {
			t.Errorf("flow %d: got %s, expected %s", i, a, b)
		}
		if f.WebSocket != nil {
			for j, m := range f.WebSocket.Messages {
				if n := g.WebSocket.Messages[j]; !bytes.Equal(n.Data, m.Data) || n.Binary != m.Binary || n.FromClient != m.FromClient {
					t.Errorf("message %d: got %+v, expected %+v", j, n, m)
				}
			}
		}
	}
}
