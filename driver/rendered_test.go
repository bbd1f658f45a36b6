package driver

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"starproxy/driver/pb"
	"starproxy/driver/view"
)

// Bodies of both sides are laid out, with the names of a descriptor set where the
// configuration has one, and so is a message of a WebSocket.
func TestRenderBody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			c.Write(r.Context(), websocket.MessageText, []byte(`{"soc":[80]}`))
			c.Close(websocket.StatusNormalClosure, "")
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		io.WriteString(w, "<a><b>1</b></a>")
	}))
	defer server.Close()
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(pb.File_jumpstarter_v1_kubernetes_proto)}})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(c *Config) {
		path := filepath.Join(t.TempDir(), "set")
		if err := os.WriteFile(path, set, 0o600); err != nil {
			t.Fatal(err)
		}
		c.Protos = []string{path}
	})
	proxy := b.start()
	text := func(args ...any) string {
		t.Helper()
		var r view.Rendered
		if err := json.Unmarshal([]byte(b.call("render_body", args...)), &r); err != nil {
			t.Fatal(err)
		}
		var out []byte
		for _, v := range r.Views {
			out = v.AppendText(append(out, v.Name...))
		}
		return string(out)
	}

	tr := &http.Transport{Proxy: http.ProxyURL(proxy)}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Post(server.URL, "application/x-protobuf; messageType=jumpstarter.v1.LabelSelector", strings.NewReader("\x12\x06\x0a\x01a\x12\x01b"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	b.call("wait_for_request", "POST", "/")
	if got, want := text(1.0, "response"), "XML<a>\n  <b>1</b>\n</a>\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := text(1.0, "request"); !strings.Contains(got, `"match_labels": {`) || !strings.Contains(got, `"key": "a"`) {
		t.Errorf("got %q, want the names of the descriptor set", got)
	}

	c, _, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, _, err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	var messages []view.Message
	if err := json.Unmarshal([]byte(b.call("list_messages", 2.0)), &messages); err != nil || len(messages) == 0 {
		t.Fatal(err, messages)
	}
	if got, want := text(2.0, "response", float64(messages[0].Seq)), "JSON{\n  \"soc\": [\n    80\n  ]\n}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := b.d.Call(t.Context(), "render_body", []any{1.0, "response", 99.0}); err == nil {
		t.Error("a message that is not there is laid out")
	}
}

// A file that is no descriptor set is refused with its key.
func TestProtosAreChecked(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Directories.Data = t.TempDir()
	cfg.Protos = []string{"rendered_test.go"}
	if _, err := New(cfg, Options{}); err == nil || !strings.HasPrefix(err.Error(), "protos: rendered_test.go: got no FileDescriptorSet") {
		t.Errorf("got %v, want an error at protos", err)
	}
}
