package driver

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"

	"starproxy/driver/bundle"
	"starproxy/driver/capture"
)

// corpus are secrets, by the place where a session shows them to be some.
var corpus = map[string]string{
	"authorization": "Au7h-of-the/device+x=", "proxy key": "k3y/for+the.proxy", "cookie": "c00kie-0f-the-session", "set-cookie": "s3t-by-the-server",
	"basic": "b4sic:pass/word", "url": "ur1/param+eter&x", "form": "f0rm fi+eld%x", "multipart": "mu1tipart-field\nof two lines",
	"xml": "xm1<element>&co", "json": "js0n \"field\" /é", "login": "t0ken-of-the-login/answer", "gzip": "gz1p-of-an-answer",
	"zstd": "z5td-of-an-answer", "br": "br0tli-of-an-answer", "deflate": "def1ate-of-an-answer", "message": "mess4ge-of-a-socket",
	"jwt":    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZXZpY2UifQ.c2lnbmF0dXJlLW9mLWl0",
	"pem":    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk5\n-----END EC PRIVATE KEY-----",
	"amazon": "AKIAIOSFODNN7EXAMPL3", "github": "ghp_0123456789abcdefghijklmnopqrstuvwxyz", "script": "scr1pt-literal", "scenario": "scen4rio field",
	"state": "st4te-value/x", "own name": "SN-4711-0815",
}

// pack compresses a text.
func pack(t testing.TB, encoding, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	}
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// leakyServer answers with secrets in encodings, and repeats those of others. Only some
// of its texts tell that they are secrets.
func leakyServer(t *testing.T) *httptest.Server {
	all, err := json.Marshal(corpus)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch encoding := strings.TrimPrefix(r.URL.Path, "/"); encoding {
		case "login":
			fmt.Fprintf(w, `{"access_token":%q}`, corpus["login"])
		case "gzip", "zstd", "br", "deflate":
			w.Header().Set("Content-Encoding", encoding)
			w.Write(pack(t, encoding, fmt.Sprintf(`{"token":%q,"text":%q}`, corpus[encoding], all)))
		case "socket":
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			for range 2 {
				kind, data, err := c.Read(context.Background())
				if err != nil {
					return
				}
				c.Write(context.Background(), kind, append(data, all...))
			}
			c.Close(websocket.StatusNormalClosure, corpus["login"])
		case "redirect":
			w.Header().Set("Location", "https://user:"+url.QueryEscape(corpus["login"])+"@other.example/?token="+url.QueryEscape(corpus["url"]))
			w.Header().Add("Set-Cookie", "sid="+corpus["set-cookie"]+"; Path=/")
			w.WriteHeader(http.StatusFound)
		case "grpc": // length-prefixed messages of protobuf
			w.Header().Set("Content-Type", "application/grpc")
			text := []byte(corpus["login"])
			message := append([]byte{0x0a, byte(len(text))}, text...)
			w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
		default:
			// All of them in the forms in which programs write them, without a name.
			for _, v := range corpus {
				quoted, _ := json.Marshal(v)
				fmt.Fprintf(w, "%s\n%s\n%s\n%s\n%s\n", v, quoted, url.QueryEscape(v), url.PathEscape(v),
					base64.StdEncoding.EncodeToString([]byte("{\"x\":\""+v+"\"}")))
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// askLeaky makes requests with secrets in all places.
func (b *bench) askLeaky(proxy *url.URL, real string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	multi := "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n" + corpus["multipart"] + "\r\n--b--\r\n"
	xml := `<login><password>` + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(corpus["xml"]) + `</password></login>`
	inJSON, _ := json.Marshal(map[string]any{"user": map[string]any{"Client-Secret": corpus["json"]}, "note": "see https://h/?sig=" + url.QueryEscape(corpus["url"])})
	for _, ask := range []struct {
		path, body string
		header     []string
	}{
		{"/login", "", []string{"Authorization", "Bearer " + corpus["authorization"], "X-Api-Key", corpus["proxy key"], "Serial", corpus["own name"]}},
		{"/redirect?access_token=" + url.QueryEscape(corpus["url"]), "", []string{"Cookie", "a=1; sid=" + corpus["cookie"],
			"Referer", "http://x/?token=" + url.QueryEscape(corpus["url"])}},
		{"/form", "grant_type=password&password=" + url.QueryEscape(corpus["form"]), []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"/multipart", multi, []string{"Content-Type", "multipart/form-data; boundary=b"}},
		{"/xml", xml, []string{"Content-Type", "application/xml"}},
		{"/json", string(inJSON), []string{"Content-Type", "application/json"}},
		{"/text", "here are " + corpus["jwt"] + " and\n" + corpus["pem"] + "\n" + corpus["amazon"] + " " + corpus["github"],
			[]string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+corpus["basic"]))}},
		{"/gzip", string(pack(b, "gzip", string(inJSON))), []string{"Content-Encoding", "gzip"}},
		{"/zstd", "", nil}, {"/br", "", nil}, {"/deflate", "", nil}, {"/grpc", "", nil}, {"/scripted", "", nil}, {"/fixed", "", nil},
	} {
		req, err := http.NewRequest("POST", real+ask.path, strings.NewReader(ask.body))
		if err != nil {
			b.Fatal(err)
		}
		for i := 0; i < len(ask.header); i += 2 {
			req.Header.Set(ask.header[i], ask.header[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	ws, _, err := websocket.Dial(b.Context(), strings.Replace(real, "http", "ws", 1)+"/socket", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		b.Fatal(err)
	}
	for kind, text := range map[websocket.MessageType]string{
		websocket.MessageText: fmt.Sprintf(`{"token":%q}`, corpus["message"]), websocket.MessageBinary: "\x00\x01" + corpus["login"] + "\xff",
	} {
		if err := ws.Write(b.Context(), kind, []byte(text)); err != nil {
			b.Fatal(err)
		}
		if _, _, err := ws.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	ws.Close(websocket.StatusNormalClosure, "")
}

// base64Words matches what may be base64.
var base64Words = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}={0,2}`)

// unpacked returns data, and what is in its base64 and compressed parts.
func unpacked(data []byte, depth int) []byte {
	all := bytes.Clone(data)
	if depth == 0 {
		return all
	}
	if z, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		if plain, err := io.ReadAll(z); err == nil {
			all = append(append(all, '\n'), unpacked(plain, depth-1)...)
		}
	}
	for _, word := range base64Words.FindAll(data, -1) {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
			if plain, err := encoding.DecodeString(string(word)); err == nil {
				all = append(append(all, '\n'), unpacked(plain, depth-1)...)
				break
			}
		}
	}
	return all
}

// contents returns all bytes of a bundle, with the bodies of the recording decoded.
func (b *bench) contents(s *bundle.Session) map[string][]byte {
	b.Helper()
	files := map[string][]byte{}
	for _, name := range s.Names() {
		files[name] = unpacked([]byte(b.text(s, name)), 3)
	}
	for f, err := range s.Flows() {
		if err != nil {
			b.Fatal(err)
		}
		plain, _, err := capture.Decoded(f.Request.Header, f.Request.Body.Blob, 1<<20)
		if err != nil {
			b.Errorf("%s: the body of the request: %v", f.Request.Path, err)
		}
		files["bodies"] = append(files["bodies"], plain...)
		if f.Response == nil {
			continue
		}
		if plain, _, err = capture.Decoded(f.Response.Header, f.Response.Body.Blob, 1<<20); err != nil || len(plain) == 0 && f.Response.Body.Size > 0 {
			b.Errorf("%s: the body of the response: %v", f.Request.Path, err)
		}
		files["bodies"] = append(files["bodies"], unpacked(plain, 3)...)
	}
	return files
}

// TestBundleOfSecrets has secrets in all places of a session, and looks for each of them
// in all bytes of bundles.
func TestBundleOfSecrets(t *testing.T) {
	t.Parallel()
	real := leakyServer(t)
	b := newBench(t, func(c *Config) { c.Bundle.Mask, c.MockScenario = []string{"serial"}, "s.yaml" })
	b.write("mock-responses/s.yaml", "addons: [a.star]\nendpoints:\n  POST /scripted: {addon: a}\n  POST /fixed:\n    body: {password: "+corpus["scenario"]+"}\n"+
		"  POST /never: {headers: {X-Api-Key: "+corpus["proxy key"]+"}}\n")
	b.write("addons/a.star", "def handle(req, config):\n    token = \""+corpus["script"]+"\"\n    print('the token is', token)\n    return response(body = token)\n")
	b.call("set_state", "session", `{"password":"`+corpus["state"]+`"}`)
	proxy := b.start()
	b.askLeaky(proxy, real.URL)
	b.call("mark_event", "later")
	b.get(proxy, real.URL+"/all")
	forms := func(secret string) []string {
		quoted, _ := json.Marshal(secret)
		return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(quoted[1 : len(quoted)-1])}
	}
	for name, args := range map[string][]any{"all": nil, "since a mark": {"later"}, "some": {"", "~u /all"}} {
		files := b.contents(b.saved(args...))
		for _, needed := range []string{bundle.HAR, bundle.Report, bundle.PCAPNG, bundle.Flows, bundle.Status, "bodies", "scripts/a.star"} {
			if len(files[needed]) == 0 {
				t.Fatalf("%s: the bundle has no %s", name, needed)
			}
		}
		for place, secret := range corpus {
			for _, form := range forms(secret) {
				for file, data := range files {
					if i := bytes.Index(data, []byte(form)); i >= 0 {
						t.Errorf("%s: %s has the secret %s: …%s…", name, file, place, data[max(0, i-60):min(len(data), i+len(form)+20)])
					}
				}
			}
		}
	}
	plain := b.contents(b.saved("", "", true))
	for _, file := range []string{bundle.HAR, bundle.Report, bundle.PCAPNG, bundle.Flows} {
		if !bytes.Contains(plain[file], []byte(corpus["login"])) {
			t.Errorf("%s of an unmasked bundle has no secret: the test can't find any", file)
		}
	}
	for place, secret := range corpus {
		if !bytes.Contains(plain["bodies"], []byte(secret)) {
			t.Errorf("an unmasked bundle has no secret %s: the test looks at the wrong bytes", place)
		}
	}
}
