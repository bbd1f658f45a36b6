package mask

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/flow"
)

const (
	canary = "c4n4ry/of+value=9"
	jwt    = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZXZpY2UifQ.c2lnbmF0dXJlLW9mLWl0"
)

// texts have a secret %s. Those that keep have none.
var texts = map[string]string{
	"JSON":                       `{"user":"ann","access_token":"%s","n":1}`,
	"JSON with blanks":           "{\n  \"Client-Secret\" : \"%s\"\n}",
	"JSON in a container":        `{"credentials":{"a":["%s"],"b":null}}`,
	"JSON in JSON":               `{"payload":"{\"token\":\"%s\"}"}`,
	"JSON in JSON in JSON":       `{"payload":"{\"p\":\"{\\\"token\\\":\\\"%s\\\"}\"}"}`,
	"JSON lines":                 "{\"a\":1}\n{\"password\":\"%s\"}\n",
	"JSON cut off":               `{"a":1,"password":"%s`,
	"broken JSON":                `{'a':1, 'password': '%s', b}`,
	"XML":                        `<login><name>ann</name><password>%s</password></login>`,
	"XML with a namespace":       `<s:Token type="x">%s</s:Token>`,
	"XML attribute":              `<login name="ann" password="%s"/>`,
	"multipart":                  "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n%s\r\n--b--\r\n",
	"events":                     "event: login\ndata: {\"token\":\"%s\"}\n\n",
	"log":                        `level=info msg=login token="%s" code=200`,
	"YAML":                       "users:\n  - password: \"%s\"\n",
	"header in a text":           "GET / HTTP/1.1\r\nAuthorization: Bearer %s\r\nHost: a\r\n",
	"cookie in a text":           "GET / HTTP/1.1\r\nCookie: sid=%s\r\nHost: a\r\n",
	"pair of a name and a value": `[{"name":"Password","value":"%s"}]`,
	"value before its name":      `[{"value":"%s","type":1,"key":"token"}]`,
	"list of pairs":              `{"headers":[["X-Api-Key","%s"],["A","b"]]}`,
	"JSON of cookies":            `{"headers":{"Set-Cookie":"sid=%s; Path=/"}}`,
	"CDATA":                      `<password><![CDATA[%s]]></password>`,
	"attributes of a pair":       `<add key="Password" value="%s"/>`,
	"element with a name":        `<string name="password">%s</string>`,
	"block of YAML":              "password: |-\n  %s\nother: 1\n",
	"tag of YAML":                "token: !secret %s # of the lab\n",
	"configuration":              "[server]\nproxy_password = %s\n",
	"program":                    "token = \"%s\"\nanswer(token)\n",
	"WebSocket protocols":        "Sec-WebSocket-Protocol: bearer, %s\r\n",
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for name, form := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := New(Options{})
			text := fmt.Appendf(nil, form, canary)
			m.LearnText(text)
			want := fmt.Sprintf(form, "MASKED-1")
			if diff := cmp.Diff(want, string(m.Bytes(text))); diff != "" {
				t.Errorf("masked text (-want +got):\n%s", diff)
			}
			shows(t, string(m.Bytes([]byte("elsewhere "+canary+" stands"))), "elsewhere MASKED-1 stands")
		})
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]string{
		"a?next=%2Fx%3Ftoken%3Dabcdef123%26b":                            "a?next=%2Fx%3Ftoken%3DMASKED-1%26b",
		"https://ann:swordfish9@host/x":                                  "https://MASKED-1@host/x",
		"?api_key=abcdef123#x":                                           "?api_key=MASKED-1#x",
		`{"pin":1234,"tokens":["abcdef123","ghijkl456"]}`:                `{"pin":"MASKED-1","tokens":["MASKED-2","MASKED-3"]}`,
		"user=a&password=ab+c%26d%23efg&x=1":                             "user=a&password=MASKED-1&x=1",
		"token=abc(def)gh;ij, and more":                                  "token=MASKED-1, and more",
		"x: {password: correct horse, b: 1}\n":                           "x: {password: MASKED-1, b: 1}\n",
		"Password: correct horse battery\n":                              "Password: MASKED-1\n",
		"Authorization: Digest username=\"a\", response=\"b\"\r\n":       "Authorization: Digest MASKED-1\r\n",
		"x " + jwt + " y":                                                "x MASKED-1 y",
		"key AKIAABCDEFGHIJKLMNOP.":                                      "key MASKED-1.",
		"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n": "MASKED-1\n",
	} {
		m := New(Options{})
		m.LearnText([]byte(form))
		got := string(m.Bytes([]byte(form)))
		if digits.Replace(got) != digits.Replace(want) {
			t.Errorf("%s: got %s, want %s", form, got, want)
		}
	}
}

// digits makes placeholders equal: which secret is found first is free.
var digits = strings.NewReplacer("MASKED-1", "M", "MASKED-2", "M", "MASKED-3", "M")

func TestKept(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"token_type":"Bearer","expires_in":3600,"max_tokens":1000,"monkey":"abcdefgh"}`,
		`{"token":null,"password":"","secret":true}`,
		"token: *anchor\n", "session: \"abc-{{uuid}}\"\n", "token = make_token(req)\n", `{"grant_types":["password","refresh_token"]}`,
		`token: "{{ uuid }}"`, `a?token=${TOKEN}`, "https://host/a@b/c",
		"token_url=https://host/token", "Access-Control-Allow-Headers: Authorization, X",
	} {
		m := New(Options{})
		m.LearnText([]byte(text))
		shows(t, string(m.Bytes([]byte(text))), text)
	}
}

// TestSession masks flows in which one secret stands in many places, and looks for it in
// all that comes out.
func TestSession(t *testing.T) {
	t.Parallel()
	m := New(Options{Names: []string{"Serial-No"}})
	var flows []*flow.Flow
	for f := range session() {
		flows = append(flows, f)
	}
	for _, f := range flows {
		if err := m.Learn(f); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	w := flow.NewWriter(&out)
	masked := make([]*flow.Flow, 0, len(flows))
	for _, f := range flows {
		clean, err := m.Flow(f)
		if err != nil {
			t.Fatal(err)
		}
		masked = append(masked, clean)
		if err := w.Write(clean); err != nil {
			t.Fatal(err)
		}
		for _, side := range []struct {
			h exchange.Header
			b flow.Body
		}{{clean.Request.Header, clean.Request.Body}, {clean.Response.Header, clean.Response.Body}} {
			plain, _, err := capture.Decoded(side.h, side.b.Blob, maxBody)
			if err != nil {
				t.Fatalf("%s: a masked body does not decode: %v", f.Request.Path, err)
			}
			out.Write(plain)
			if n := side.h.Get("Content-Length"); n != "" && n != fmt.Sprint(side.b.Size) {
				t.Errorf("%s: Content-Length is %s, the body has %d bytes", f.Request.Path, n, side.b.Size)
			}
		}
	}
	if err := flow.WriteHAR(&out, func(yield func(*flow.Flow, error) bool) {
		for _, f := range masked {
			if !yield(f, nil) {
				return
			}
		}
	}, ""); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{canary, "otherS3cret!", "s3cret-cookie", "SN-0815-4711", "pass:w0rd", url.QueryEscape(canary),
		base64.StdEncoding.EncodeToString([]byte(canary))[:20], strings.ReplaceAll(canary, "/", `\/`)} {
		if i := bytes.Index(out.Bytes(), []byte(secret)); i >= 0 {
			t.Errorf("%s is in the output: …%s…", secret, out.Bytes()[max(0, i-60):i+len(secret)+20])
		}
	}
	if m.Secrets < 5 || m.Places["body"] == 0 || m.Places["header"] == 0 || m.Places["message"] == 0 || m.Places["url"] == 0 {
		t.Errorf("counts: got %+v", m.Counts)
	}
	if got := flows[0].Request.Header.Get("Authorization"); got != "Bearer "+canary {
		t.Errorf("the flow itself was changed: %s", got)
	}
}

func session() func(func(*flow.Flow) bool) {
	body := func(s string) flow.Body { return flow.Body{Blob: capture.Blob{Size: int64(len(s)), Data: []byte(s)}} }
	packed := func(s, encoding string) flow.Body {
		b, err := encoded([]byte(s), strings.Fields(encoding))
		if err != nil {
			panic(err)
		}
		return body(string(b))
	}
	secretJSON := fmt.Sprintf(`{"note":"it is %s now"}`, canary)
	one := func(path string, h exchange.Header, request flow.Body, answer exchange.Header, response flow.Body) *flow.Flow {
		return &flow.Flow{
			Request:  flow.Request{Method: "POST", Scheme: "https", Host: "a", Port: 443, Path: path, Proto: "HTTP/1.1", Header: h, Body: request},
			Response: &flow.Response{Status: 200, Proto: "HTTP/1.1", Header: answer, Body: response},
		}
	}
	list := []*flow.Flow{
		one("/a", exchange.HeaderOf("Authorization", "Bearer "+canary, "Serial-no", "SN-0815-4711"), body(""), nil, body("")),
		one("/b?x="+url.QueryEscape(canary), exchange.HeaderOf("Cookie", "a=s3cret-cookie; b=\"otherS3cret!\"", "Content-Length", "10"),
			body(secretJSON), exchange.HeaderOf("Set-Cookie", "q=s3cret-cookie; Path=/"), body("SN-0815-4711")),
		one("/c", exchange.HeaderOf("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ann:pass:w0rd"))),
			body("pass:w0rd"), nil, body(base64.StdEncoding.EncodeToString([]byte(secretJSON)))),
		one("/d", exchange.HeaderOf("X-Other", canary), body("\x00\x0a\x11"+canary+"\xff"), nil, body(strings.ReplaceAll(secretJSON, "/", `\/`))),
	}
	for _, encoding := range []string{"gzip", "deflate", "br", "zstd", "gzip br"} {
		h := exchange.HeaderOf("Content-Encoding", strings.ReplaceAll(encoding, " ", ", "), "Content-Length", "5")
		list = append(list, one("/e", h, packed(secretJSON, encoding), h, packed(secretJSON, encoding)))
	}
	ws := one("/ws", nil, body(""), nil, body(""))
	ws.WebSocket = &flow.WebSocket{Messages: []flow.Message{
		{Data: []byte(secretJSON), FromClient: true}, {Data: []byte(`{"token":"otherS3cret!"}`)}, {Binary: true, Data: []byte("\x00" + canary)},
	}, CloseReason: "bad " + canary}
	ws.Metadata = map[string]any{"note": []any{canary, []byte(canary)}, "token": "pass:w0rd"}
	ws.Comment = "it was " + canary
	stream := one("/tcp", nil, body(""), nil, body(""))
	stream.WebSocket = &flow.WebSocket{Messages: []flow.Message{{Data: []byte("x " + canary[:8])}, {FromClient: true, Data: []byte("y")}, {Data: []byte(canary[8:] + " z")}}}
	stream.Stream = true
	return slices.Values(append(list, ws, stream))
}

// TestKnownForms looks for a secret that is known in the ways in which programs write it.
func TestKnownForms(t *testing.T) {
	t.Parallel()
	const secret = "a<b>c&d'e\"fé+ghi/jk"
	for _, form := range []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), `a\u003cb\u003ec\u0026d'e\"fé+ghi/jk`, `a<b>c&d'e\"f\u00e9+ghi/jk`,
		`a<b>c&d'e\"fé+ghi\/jk`, `a<b>c&d'e\\\"fé+ghi/jk`, `a&lt;b&gt;c&amp;d'e"fé+ghi/jk`, `a&lt;b&gt;c&amp;d&apos;e&quot;fé+ghi/jk`,
		`a\u003Cb\u003Ec\u0026d\u0027e\"fé\u002Bghi/jk`, base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.URLEncoding.EncodeToString([]byte("x" + secret + "yz")), base64.RawStdEncoding.EncodeToString([]byte("xx" + secret)),
	} {
		m := New(Options{})
		m.learn(secret)
		shows(t, m.Text("( "+form+" )"), "( MASKED-1 )")
	}
	m := New(Options{})
	m.learn(secret)
	for cut, want := range map[string]string{
		secret[:9] + "… and": "MASKED-1… and", "( " + secret[:20] + "…": "( MASKED-1…", secret[:4] + "…": secret[:4] + "…",
		strings.Repeat("- ", 150) + secret[:9]: strings.Repeat("- ", 150) + "MASKED-1",
	} {
		shows(t, m.Text(cut), want)
	}
}

// TestMQTT masks the password of a device, and leaves all other bytes of its stream.
func TestMQTT(t *testing.T) {
	t.Parallel()
	field := func(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }
	for name, connect := range map[string]string{
		"3.1.1":            field("MQTT") + "\x04\xc2\x00\x3c" + field("device-7") + field("ann") + field("pa55w0rd-1"),
		"3.1.1, a will":    field("MQTT") + "\x04\xce\x00\x3c" + field("device-7") + field("a/b") + field("gone") + field("ann") + field("pa55w0rd-1"),
		"5, with all":      field("MQTT") + "\x05\xce\x00\x3c\x05\x11\x00\x00\x00\x0a" + field("device-7") + "\x00" + field("a/b") + field("gone") + field("ann") + field("pa55w0rd-1"),
		"3.1, no password": field("MQIsdp") + "\x03\x82\x00\x3c" + field("device-7") + field("ann"),
	} {
		packet := "\x10" + string([]byte{byte(len(connect))}) + connect
		f := &flow.Flow{Stream: true, WebSocket: &flow.WebSocket{Messages: []flow.Message{
			{FromClient: true, Data: []byte(packet[:9])}, {Data: []byte("\x20\x02\x00\x00")}, {FromClient: true, Data: []byte(packet[9:])},
		}}}
		m := New(Options{})
		if err := m.Learn(f); err != nil {
			t.Fatal(err)
		}
		out, err := m.Flow(f)
		if err != nil {
			t.Fatal(err)
		}
		got := string(out.WebSocket.Messages[0].Data) + string(out.WebSocket.Messages[2].Data)
		if want := strings.ReplaceAll(packet, "pa55w0rd-1", "MASKED-1**"); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		for cut := range packet { // no reading beyond the end
			m.LearnText([]byte(packet[:cut]))
		}
	}
}

// TestCode masks literals of a program, and leaves its names.
func TestCode(t *testing.T) {
	t.Parallel()
	program := "def h(req):\n    if req.headers.get(\"X-Api-Key\") == \"k\":\n        return response(token=make(req), password = p, api_key = \"%s\")\n"
	m := New(Options{})
	text := fmt.Appendf(nil, program, canary)
	m.LearnCode(text)
	shows(t, string(m.Code(text)), fmt.Sprintf(program, "MASKED-1"))
}

func TestBrokenEncoding(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = io.WriteString(z, `{"token":"`+canary+`","rest":"`+strings.Repeat("x y ", 400)+`"}`)
	_ = z.Close()
	cut := buf.Bytes()[:buf.Len()-12]
	f := &flow.Flow{Request: flow.Request{Header: exchange.HeaderOf("Content-Encoding", "gzip"),
		Body: flow.Body{Blob: capture.Blob{Size: int64(len(cut)), Data: cut}}}}
	m := New(Options{})
	if err := m.Learn(f); err != nil {
		t.Fatal(err)
	}
	out, err := m.Flow(f)
	if err != nil {
		t.Fatal(err)
	}
	if !out.Request.Body.Missing || m.LeftOut != 1 {
		t.Errorf("a body with a secret and a broken end: got %+v, %d left out, want it left out", out.Request.Body, m.LeftOut)
	}
}

func TestInURL(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/a?b=1&access_token=abcdefg": "access_token", "/a?key=abc123": "key", "https://u:p@h/": "user information",
		"/a/" + jwt: "a token", "/a?x=" + jwt: "x", "/a?page=2&token=": "", "/a?monkey=1": "", "/users/12?sort=name": "",
	} {
		name, ok := InURL(target)
		if name != want || ok != (want != "") {
			t.Errorf("InURL(%s): got %q, %v, want %q", target, name, ok, want)
		}
	}
}

func shows(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestHostile holds that the time does not grow with the square of the length.
func TestHostile(t *testing.T) {
	t.Parallel()
	many := New(Options{})
	for i := range 4_000 {
		many.learn(fmt.Sprintf("eyJhbGciOiJIUzI1NiJ9.%s%06d", strings.Repeat("A", 60), i))
	}
	for _, piece := range []string{
		`token:`, `token=`, `"token":"`, `\"token\":\"`, `\`, `name="token"`, `<token>`, "Cookie: a=b;", "://a", "bearer ", `{"token":[`,
		"eyJhbGciOiJIUzI1NiJ9." + strings.Repeat("A", 60), "-----BEGIN PRIVATE KEY-----", "token%3D", base64.StdEncoding.EncodeToString([]byte(canary)),
	} {
		for _, m := range []*Masker{New(Options{}), many} {
			m.learn(canary)
			text := []byte(strings.Repeat(piece, 60_000/len(piece)))
			m.LearnText(text)
			m.Bytes(text)
		}
	}
}

// FuzzMask checks that no learnt value is left in the text, and that a masked text stays
// as it is.
func FuzzMask(f *testing.F) {
	for _, form := range texts {
		f.Add(fmt.Appendf(nil, form, canary))
	}
	f.Add([]byte("\x10\x1f\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01d\x00\x01u\x00\x08pa55w0rd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := New(Options{})
		m.LearnText(b)
		out := m.Bytes(b)
		for value := range m.ids {
			if everywhere(value) && bytes.Contains(out, []byte(value)) && !strings.Contains(value, "MASKED") && !strings.Contains(value, "*") {
				t.Fatalf("%q is left in %q", value, out)
			}
		}
	})
}
