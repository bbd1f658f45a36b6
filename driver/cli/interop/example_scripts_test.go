package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// example runs one of the examples with a script in it; the client asks through
// the proxy, on one connection to it after another.
func example(t *testing.T, name string) *http.Client {
	t.Helper()
	port := scenarioServer(t, filepath.Join(root(t), "examples", name))
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprint("127.0.0.1:", port)})}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// ask makes a request and reads the answer, as far as it comes.
func ask(t *testing.T, c *http.Client, method, url, body string, header http.Header) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp, data, err
}

// mustAsk wants a whole answer with a status; it gives the body.
func mustAsk(t *testing.T, c *http.Client, status int, method, url, body string, header http.Header) []byte {
	t.Helper()
	resp, data, err := ask(t, c, method, url, body, header)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, url, resp.StatusCode, status, data)
	}
	return data
}

// unmarshal reads an answer's JSON.
func unmarshal(t *testing.T, data []byte, dst any) {
	t.Helper()
	if err := json.Unmarshal(data, dst); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
}

// What lies in the tests beside the examples holds.
func TestExampleScripts(t *testing.T) {
	t.Parallel()
	out := run(t, root(t), environ(nil), filepath.Join(bin, "starproxy"), "script", "test", "examples")
	if out.code != 0 {
		t.Errorf("script test: %s", out)
	}
	out = run(t, root(t), environ(nil), filepath.Join(bin, "starproxy"), "script", "check", "examples")
	if out.code != 0 {
		t.Errorf("script check: %s", out)
	}
}

func TestExampleAuth(t *testing.T) {
	t.Parallel()
	c := example(t, "auth")
	const api = "http://api.example.com/api/"
	mustAsk(t, c, 401, "GET", api+"devices/7", "", nil)
	mustAsk(t, c, 401, "POST", api+"auth", `{"username": "admin", "password": "guess"}`, nil)
	var login struct{ Token string }
	unmarshal(t, mustAsk(t, c, 201, "POST", api+"auth", `{"username": "admin", "password": "secret"}`, nil), &login)
	var device struct{ ID string }
	unmarshal(t, mustAsk(t, c, 200, "GET", api+"devices/7", "", http.Header{"Authorization": {"Bearer " + login.Token}}), &device)
	if device.ID != "7" {
		t.Errorf("device %q, want 7", device.ID)
	}
	mustAsk(t, c, 401, "GET", api+"devices/7", "", http.Header{"Authorization": {"Bearer " + login.Token + "x"}})
}

// A device updates itself: it resumes the download where it broke off, and the
// hash is that of the offer.
func TestExampleUpdate(t *testing.T) {
	t.Parallel()
	c := example(t, "ota")
	const api = "http://api.example.com/api/v1/firmware"
	var offer struct {
		Update               bool
		Version, URL, SHA256 string
		Size                 int
	}
	unmarshal(t, mustAsk(t, c, 200, "GET", api+"?version=2.4.1", "", nil), &offer)
	if !offer.Update || offer.Size == 0 {
		t.Fatalf("offer: %+v", offer)
	}
	var got []byte
	var etag string
	breaks := 0
	for len(got) < offer.Size {
		header := http.Header{}
		want := 200
		if len(got) > 0 {
			header.Set("Range", fmt.Sprintf("bytes=%d-", len(got)))
			header.Set("If-Range", etag)
			want = 206
		}
		resp, data, err := ask(t, c, "GET", offer.URL, "", header)
		if resp == nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want {
			t.Fatalf("after %d bytes: status %d, want %d", len(got), resp.StatusCode, want)
		}
		if err != nil {
			if breaks++; !errors.Is(err, io.ErrUnexpectedEOF) || breaks > 2 {
				t.Fatalf("break %d after %d bytes: %v", breaks, len(got), err)
			}
		}
		etag = resp.Header.Get("ETag")
		got = append(got, data...)
	}
	if breaks != 2 {
		t.Errorf("the download broke off %d times, want 2", breaks)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(got)); sum != offer.SHA256 {
		t.Errorf("hash of %d bytes: %s, want %s", len(got), sum, offer.SHA256)
	}
	mustAsk(t, c, 204, "POST", api+"/result", `{"version": "2.5.0"}`, nil)
	unmarshal(t, mustAsk(t, c, 200, "GET", api+"?version=2.5.0", "", nil), &offer)
	if offer.Update {
		t.Error("an update is offered once it is installed")
	}
}

func TestExampleFlaky(t *testing.T) {
	t.Parallel()
	c := example(t, "flaky")
	const api = "http://api.example.com/api/v1/"
	// Each comes on a new connection, so the client does not try again by itself.
	for i := range 2 {
		if resp, _, err := ask(t, c, "GET", api+"status", "", nil); err == nil {
			t.Errorf("request %d: status %d, want a reset", i+1, resp.StatusCode)
		}
	}
	mustAsk(t, c, 200, "GET", api+"status", "", nil)
	seen := map[int]bool{}
	for range 60 {
		resp, _, err := ask(t, c, "GET", api+"tariff", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		seen[resp.StatusCode] = true
	}
	if !seen[200] || !seen[503] || len(seen) != 2 {
		t.Errorf("tariff: statuses %v, want 200 and 503", seen)
	}
	start := time.Now()
	mustAsk(t, c, 201, "POST", api+"sessions", "{}", nil)
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("sessions took %s", took)
	}
	for range 3 {
		mustAsk(t, c, 202, "POST", api+"telemetry", "{}", nil)
	}
	resp, _, err := ask(t, c, "POST", api+"telemetry", "{}", nil)
	if err != nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("fourth report: %v, %v, want 429 with Retry-After", resp, err)
	}
	if _, data, err := ask(t, c, "GET", api+"config", "", nil); err == nil || len(data) != 10 {
		t.Errorf("config: %q, %v, want 10 bytes and an error", data, err)
	}
	if _, _, err := ask(t, c, "GET", api+"noise", "", nil); err == nil {
		t.Error("noise was taken for HTTP")
	}
}

// A player walks from the master playlist to a segment, and each segment is
// frames of AAC to its end.
func TestExampleRadio(t *testing.T) {
	t.Parallel()
	c := example(t, "hls")
	at := "http://radio.example.com/streaming/audio/channel/ch101/master.m3u8"
	follow := func(text, pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %s in %s", pattern, text)
		}
		base, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		next, err := base.Parse(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return next.String()
	}
	media := follow(string(mustAsk(t, c, 200, "GET", at, "", nil)), `(?m)^([^#].*)$`)
	at = media
	text := string(mustAsk(t, c, 200, "GET", media, "", nil))
	first := follow(text, `(?m)^([^#].*)$`)
	segment := mustAsk(t, c, 200, "GET", first, "", nil)
	checkADTS(t, segment, 2*time.Second)

	// The window slides: in the end the first segment is not named any more.
	deadline := time.Now().Add(patience)
	for strings.Contains(text, filepath.Base(first)) {
		if time.Now().After(deadline) {
			t.Fatal("the playlist does not go on")
		}
		time.Sleep(100 * time.Millisecond) // as players do
		text = string(mustAsk(t, c, 200, "GET", media, "", nil))
	}
	if body := mustAsk(t, c, 200, "GET", "http://radio.example.com/streaming/audio/channel/news/seg_7.aac", "", nil); !bytes.Contains(body, []byte("news")) {
		t.Errorf("the files of a channel are not played: %.40q", body)
	}
}

// checkADTS walks the frames behind an ID3 tag.
func checkADTS(t *testing.T, data []byte, want time.Duration) {
	t.Helper()
	if len(data) < 10 || string(data[:3]) != "ID3" {
		t.Fatalf("no ID3 tag: %.20q", data)
	}
	rest := data[10+int(data[9]):]
	frames := 0
	for len(rest) > 0 {
		if len(rest) < 7 || rest[0] != 0xff || rest[1]&0xf6 != 0xf0 {
			t.Fatalf("frame %d does not begin as one: % x", frames, rest[:min(len(rest), 7)])
		}
		n := int(rest[3]&3)<<11 | int(rest[4])<<3 | int(rest[5])>>5
		if n < 8 || n > len(rest) {
			t.Fatalf("frame %d is %d bytes long, %d are left", frames, n, len(rest))
		}
		rest = rest[n:]
		frames++
	}
	got := time.Duration(frames) * 1024 * time.Second / 44100
	if d := got - want; d < -30*time.Millisecond || d > 30*time.Millisecond {
		t.Errorf("the segment lasts %s, want %s", got, want)
	}
}

// A viewer counts pictures that a decoder takes, and leaves.
func TestExampleCamera(t *testing.T) {
	t.Parallel()
	c := example(t, "mjpeg")
	const camera = "http://camera.example.com/streaming/video/camera/rear/"
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "GET", camera+"stream.mjpeg", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/x-mixed-replace" {
		t.Fatalf("Content-Type %q", resp.Header.Get("Content-Type"))
	}
	const pictures = 25
	r := multipart.NewReader(bufio.NewReader(resp.Body), params["boundary"])
	start := time.Now()
	var before []byte
	for n := range pictures {
		part, err := r.NextPart()
		if err != nil {
			t.Fatalf("picture %d: %v", n, err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			t.Fatalf("picture %d: %v", n, err)
		}
		img, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("picture %d: %v", n, err)
		}
		if b := img.Bounds(); b.Dx() != 320 || b.Dy() != 240 {
			t.Fatalf("picture %d is %d by %d", n, b.Dx(), b.Dy())
		}
		// The bar is white, at its place, in the first row and the last.
		for _, y := range []int{3, 236} {
			if white, _, _, _ := img.At(n*8+3, y).RGBA(); white>>8 < 250 {
				t.Errorf("picture %d has a brightness of %d where the bar is", n, white>>8)
			}
		}
		if bytes.Equal(data, before) {
			t.Errorf("picture %d is the one before", n)
		}
		before = data
	}
	// A part ends where the next begins, so 25 of them take a second.
	if took := time.Since(start); took < 900*time.Millisecond {
		t.Errorf("%d pictures came in %s, want 25 a second", pictures, took)
	}
	leave()
	if _, err := jpeg.Decode(bytes.NewReader(mustAsk(t, c, 200, "GET", camera+"snapshot.jpg", "", nil))); err != nil {
		t.Errorf("snapshot: %v", err)
	}
}

// A client subscribes, changes the scenario, and unsubscribes; there is no
// server behind the proxy.
func TestExampleTelemetry(t *testing.T) {
	t.Parallel()
	c := example(t, "telemetry")
	c.Timeout = 0
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws://data.example.com/api/v1/data/realtime", &websocket.DialOptions{HTTPClient: c})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	type message struct {
		Type, Scenario, State string
		Frame                 int
		Value                 float64 `json:"sensor_value"`
	}
	say := func(text string) {
		t.Helper()
		if err := ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	// await reads up to the first message of a type.
	await := func(kind string) (m message) {
		t.Helper()
		for {
			_, data, err := ws.Read(ctx)
			if err != nil {
				t.Fatalf("waiting for %s: %v", kind, err)
			}
			m = message{}
			unmarshal(t, data, &m)
			if m.Type == kind {
				return m
			}
			if m.Type != "telemetry" {
				t.Fatalf("got %s, want %s", data, kind)
			}
		}
	}
	say(`{"type": "subscribe"}`)
	if m := await("subscribed"); m.Scenario != "normal" {
		t.Errorf("subscribed to %q", m.Scenario)
	}
	for n := range 5 {
		if m := await("telemetry"); m.Frame != n+1 || m.Value < 30 || m.Value > 70 {
			t.Errorf("frame %d: %+v", n+1, m)
		}
	}
	say(`{"type": "set_scenario", "scenario": "idle"}`)
	await("scenario")
	if m := await("telemetry"); m.State != "idle" || m.Value != 0 {
		t.Errorf("idle: %+v", m)
	}
	say(`{"type": "unsubscribe"}`)
	await("unsubscribed")
	// Now it is silent: what comes next answers what is said next.
	say(`{"type": "dance"}`)
	if _, data, err := ws.Read(ctx); err != nil || !bytes.Contains(data, []byte(`"error"`)) {
		t.Errorf("after unsubscribe: %s, %v", data, err)
	}
	if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
}
