package interop

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// asked are the exchanges of a session, as the arguments of curl.
var asked = []string{
	"http://mocked.invalid/x", "http://mocked.invalid/x", "https://mocked.invalid/x", "http://mocked.invalid/fw", "http://mocked.invalid/login?access_token=query-7a8b9c0d1e2f -d {\"password\":\"body-1f2e3d4c5b6a\"}",
	"{plain}/a?x=1", "{plain}/count", "{plain}/count", "{plain}/binary", "{secure}/a -X PUT", "--http2 {secure}/b?y=2",
}

// TestBundle saves a session by j and by the Python client. Its HAR document keeps to the
// schema, no secret is in any of its files, and its script answers with the same bytes.
func TestBundle(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl")
	plain, secure := origin(t)
	b := ours(t, `      mocks:
        GET /x: {body_template: {id: "{{uuid}}", at: "{{now_iso}}"}}
        GET /fw: {file: fw/one.bin}
        POST /login: {body: {ok: true}, headers: {Set-Cookie: sid=cookie-0a1b2c3d4e5f}}
`, "--start", "mock")
	write(t, filepath.Join(b.dir, "mock-files", "fw", "one.bin"), strings.Repeat("firmware\x00\xff", 30_000))
	ca := strings.TrimSpace(strings.TrimPrefix(b.mustJ(t, b.dir, "proxy", "cert", "ca.pem"), "CA certificate written to: "))
	ask := func(port int, dir string) (answers []string) {
		t.Helper()
		servers := strings.NewReplacer("{plain}", plain.URL, "{secure}", secure.URL)
		for i, args := range asked {
			body, head := filepath.Join(dir, fmt.Sprint(i)), filepath.Join(dir, fmt.Sprint(i, ".head"))
			argv := []string{curl, "-sS", "--max-time", "60", "-x", fmt.Sprintf("http://127.0.0.1:%d", port), "--noproxy", "", "--cacert", ca,
				"-o", body, "-D", head, "-H", "Authorization: Bearer token-5e6f7a8b9c0d"}
			if out := run(t, dir, environ(nil), append(argv, strings.Fields(servers.Replace(args))...)...); out.code != 0 {
				t.Fatalf("curl: %s", out)
			}
			data, err := os.ReadFile(body)
			if err != nil {
				t.Fatal(err)
			}
			header, err := os.ReadFile(head)
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, args+": "+unrecorded.ReplaceAllString(string(header), "")+string(data))
		}
		return append(answers, talk(t, port, plain.URL))
	}
	then := ask(b.port, tempDir(t))
	b.awaitCaptures(t, len(asked)+1)

	out := b.mustJ(t, b.dir, "proxy", "bundle", "save", "byj.zip")
	if !strings.Contains(out, fmt.Sprintf("byj.zip (%d exchange(s), 4 secret(s) masked)", len(asked)+1)) {
		t.Errorf("bundle save: got %s", out)
	}
	python(t)
	if out := b.python(t, b.dir, "python", "-c", savePython); out.code != 0 {
		t.Fatalf("save_bundle by Python: %s", out)
	}
	for _, name := range []string{"byj", "bypython"} {
		if out := b.python(t, b.dir, "python", "-m", "zipfile", "-e", name+".zip", name); out.code != 0 {
			t.Fatalf("unpack: %s", out)
		}
		dir := filepath.Join(b.dir, name)
		validHAR(t, filepath.Join(dir, "session.har"), len(asked)+1)
		without(t, dir, "token-5e6f7a8b9c0d", "cookie-0a1b2c3d4e5f", "query-7a8b9c0d1e2f", "body-1f2e3d4c5b6a")
		port := freePort(t)
		again := start(t, dir, environ([]string{bin}, "HOME="+filepath.Dir(b.dir)), []int{0}, "sh", filepath.Join(dir, "replay.sh"), "--port", fmt.Sprint(port))
		again.await(t, "JUMPSTARTER_HOST=")
		ca = filepath.Join(filepath.Dir(b.dir), ".local", "share", "starproxy", "conf", "mitmproxy-ca-cert.pem")
		now := ask(port, tempDir(t))
		again.interrupt(t)
		for i := range then {
			if now[i] != then[i] {
				t.Errorf("%s: got another answer than then:\n%.300q\n%.300q", name, now[i], then[i])
			}
		}
	}
}

// unrecorded are the lines of a header that the proxy adds to its own answers when they are
// sent, and those that have a secret.
var unrecorded = regexp.MustCompile(`(?im)^(date|content-length|set-cookie): .*\n`)

// savePython saves a bundle as a test with the stock client does.
const savePython = `
import base64
from jumpstarter.common.utils import env
with env() as client, open("bypython.zip", "wb") as out:
    for item in client.proxy.streamingcall("save_bundle"):
        out.write(base64.b64decode(item))
`

// talk sends a message over a WebSocket and returns the answer.
func talk(t *testing.T, port int, server string) string {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(server, "http", "ws", 1)+"/socket",
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: (&bench{port: port}).transport(false)}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close(websocket.StatusNormalClosure, "")
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, data, err := ws.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// validHAR checks a HAR document against the schema of HAR 1.2, and its number of entries.
func validHAR(t *testing.T, path string, entries int) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(root(t), "driver", "flow", "testdata", "har.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err == nil {
		err = schema.Validate(doc)
	}
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	log := doc.(map[string]any)["log"].(map[string]any)
	if got := len(log["entries"].([]any)); got != entries {
		t.Errorf("%s: got %d entries, want %d", path, got, entries)
	}
}

// packed are the blocks of data of a report, in gzip and base64.
var packed = regexp.MustCompile(`<script type="text/plain" id="[^"]+">([^<]+)</script>`)

// without looks for secrets in all bytes of the files in dir, also in base64.
func without(t *testing.T, dir string, secrets ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := io.ReadAll(f)
		for _, block := range packed.FindAllSubmatch(data, -1) { // those of report.html
			r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(block[1])))
			if err != nil {
				return err
			}
			text, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			data = append(data, text...)
		}
		for _, s := range secrets {
			for _, form := range []string{s, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(s)), "=")} {
				if bytes.Contains(data, []byte(form)) {
					t.Errorf("%s: got the secret %s, want it masked", path, form)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
