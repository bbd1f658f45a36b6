package compare

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/flow"
)

// device simulates the requests of one that boots, logs in, asks for its configuration
// and then reports telemetry, with one failure of the server on the way. Its ids, times,
// readings and pauses depend on the seed; everything else is behaviour.
type device struct {
	agent          string
	host           string
	scheme, proto  string
	accept         string
	header         [2]string
	dropHeader     string
	shuffleHeaders bool
	ja4, ja3       string
	tlsVersion     string
	poll           time.Duration
	updates        int // how often it asks for updates at boot
	retries        int
	backoff        float64
	swapBoot       bool
	bootPause      time.Duration
	extraHost      string
	extraPath      string
	noLogs, noTime bool
	updatePause    time.Duration
	telemetry      func(map[string]any)
	formLogin      bool
	mode           string
	logBytes       int
	socketField    string
	configPath     string
	region         string
	bearer         string
	outage         int           // failures of the server
	length         time.Duration // of the session
	perRequest     bool          // a connection for each request
	latency        time.Duration // of the server
}

// newDevice returns the device with its old firmware.
func newDevice() *device {
	return &device{
		agent: "acme-tcu/1.4.2 (linux; armv7)", host: "api.example.com", scheme: "https", proto: "HTTP/1.1", accept: "application/json",
		ja4: "t13d1516h2_8daaf6152771_02713d6af862", ja3: "e7d705a3286e19ea42f587b344ee6865", tlsVersion: "TLSv1.3",
		poll: 5 * time.Second, updates: 2, retries: 3, backoff: 2, bootPause: 800 * time.Millisecond, mode: "eco", logBytes: 2000,
		configPath: "/v2/config", region: "eu", bearer: "Bearer ", outage: 3, length: 2 * time.Minute, latency: 30 * time.Millisecond,
	}
}

// session is one run of a device.
type session struct {
	*device
	rng    *rand.Rand
	now    time.Time
	conn   string
	serial string
	flows  []*flow.Flow
}

// record runs the device for two minutes.
func (d *device) record(seed uint64) []*flow.Flow {
	s := &session{device: d, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_795_000_000+int64(seed)*86_400, 0)}
	s.conn, s.serial = s.uuid(), fmt.Sprintf("WVWZZZ1JZXW%06d", s.rng.IntN(1_000_000))
	end := s.now.Add(d.length)
	s.boot()
	s.polls(end)
	slices.SortStableFunc(s.flows, func(a, b *flow.Flow) int { return a.Created.Compare(b.Created) })
	return s.flows
}

func (s *session) boot() {
	steps := []func(){s.time, s.login, s.config}
	if s.swapBoot {
		steps = []func(){s.login, s.time, s.config}
	}
	if s.noTime {
		steps = steps[1:]
	}
	for _, step := range steps {
		step()
		s.pause(s.bootPause)
	}
	s.pause(s.updatePause)
	for range s.updates {
		s.send("GET", s.host, "/v2/updates/"+s.uuid()+"?current=1.4.2&nonce="+s.token(22), nil, "", 200)
		s.pause(300 * time.Millisecond)
	}
	first := s.rng.IntN(3)
	for zone := range 4 {
		s.send("GET", s.host, fmt.Sprintf("/v2/zones/zone%d/map", first+zone), nil, "", 200)
		s.pause(200 * time.Millisecond)
	}
	if s.extraHost != "" {
		s.send("GET", s.extraHost, "/beacon", nil, "", 200)
	}
	if s.extraPath != "" {
		s.send("GET", s.host, s.extraPath, nil, "", 200)
	}
	if !s.noLogs {
		s.send("PUT", s.host, fmt.Sprintf("/v2/vehicles/%s/logs/%d.txt", s.serial, s.rng.IntN(1_000_000)),
			[]byte(strings.Repeat("x", s.logBytes+s.rng.IntN(200))), "text/plain", 200)
	}
	s.parallel("/v2/weather", "/v2/news", "/v2/traffic")
	s.live()
	s.outages()
}

// parallel sends requests over connections of their own, in any order.
func (s *session) parallel(targets ...string) {
	now, conn := s.now, s.conn
	for _, target := range targets {
		s.now, s.conn = now.Add(time.Duration(s.rng.Float64()*0.8*float64(time.Second))), s.uuid()
		s.send("GET", s.host, target, nil, "", 200)
	}
	s.now, s.conn = now.Add(time.Second), conn
}

func (s *session) time() { s.send("GET", "time.example.com", "/now", nil, "", 200) }

func (s *session) login() {
	if s.formLogin {
		form := url.Values{"serial": {s.serial}, "nonce": {s.token(24)}}
		s.send("POST", s.host, "/v2/login", []byte(form.Encode()), "application/x-www-form-urlencoded", 200)
		return
	}
	s.json("POST", "/v2/login", map[string]any{"serial": s.serial, "nonce": s.token(24), "at": s.now.Format(time.RFC3339)}, 200)
}

func (s *session) config() {
	target := s.configPath + "?t=" + fmt.Sprint(s.now.UnixMilli())
	if s.region != "" {
		target += "&region=" + s.region
	}
	s.send("GET", s.host, target, nil, "", 200)
}

// outages reports an event while the server fails, as often as the device tries.
func (s *session) outages() {
	body := map[string]any{"event": "ignition", "id": s.uuid()}
	wait := time.Second
	for try := 0; try <= s.retries; try++ {
		if try < s.outage {
			s.json("POST", "/v2/events", body, 503)
		} else {
			s.json("POST", "/v2/events", body, 200)
			return
		}
		if try < s.retries {
			s.pause(wait)
			wait = time.Duration(float64(wait) * s.backoff)
		}
	}
}

// live opens a WebSocket and sends two messages.
func (s *session) live() {
	f := s.send("GET", s.host, "/v2/live", nil, "", 101)
	f.WebSocket = &flow.WebSocket{}
	for range 2 {
		message := map[string]any{"seq": s.rng.IntN(1000), "kind": "hello"}
		if s.socketField != "" {
			message[s.socketField] = true
		}
		data, _ := json.Marshal(message)
		f.WebSocket.Messages = append(f.WebSocket.Messages, flow.Message{FromClient: true, Data: data, Time: s.now})
	}
}

func (s *session) polls(end time.Time) {
	status := s.now.Add(s.jitter(20 * time.Second))
	for s.pause(s.poll); s.now.Before(end); s.pause(s.poll) {
		body := map[string]any{
			"at": s.now.Format(time.RFC3339Nano), "uptime": s.rng.IntN(100_000), "mode": s.mode,
			"battery": map[string]any{"level": 40 + s.rng.IntN(60), "volts": 11 + 2*s.rng.Float64()},
			"tracks":  []any{},
		}
		for range s.rng.IntN(4) {
			body["tracks"] = append(body["tracks"].([]any), map[string]any{"id": s.uuid(), "speed": s.rng.Float64() * 100})
		}
		if s.rng.IntN(6) == 0 {
			body["warning"] = "door open"
		}
		if s.telemetry != nil {
			s.telemetry(body)
		}
		s.json("POST", "/v2/vehicles/"+s.serial+"/telemetry", body, 200)
		if s.now.After(status) {
			status = status.Add(s.jitter(20 * time.Second))
			s.send("GET", s.host, "/v2/status", nil, "", 200)
		}
	}
}

// jitter returns a time that is up to a tenth longer or shorter.
func (s *session) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*s.rng.Float64()))
}

func (s *session) pause(d time.Duration) { s.now = s.now.Add(s.jitter(d)) }

func (s *session) uuid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(s.rng.Uint32())
	}
	id, _ := uuid.FromBytes(b[:])
	return id.String()
}

func (s *session) token(n int) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b strings.Builder
	for range n {
		b.WriteByte(digits[s.rng.IntN(len(digits))])
	}
	return b.String()
}

func (s *session) json(method, path string, v any, status int) {
	data, _ := json.Marshal(v)
	s.send(method, s.host, path, data, "application/json", status)
}

func (s *session) send(method, host, target string, body []byte, contentType string, status int) *flow.Flow {
	h := exchange.Header{}
	add := func(name, value string) {
		if value != "" && name != s.dropHeader {
			h.Add(name, value)
		}
	}
	add("Host", host)
	add("User-Agent", s.agent)
	if s.shuffleHeaders {
		add("X-Request-Id", s.uuid())
		add("Accept", s.accept)
	} else {
		add("Accept", s.accept)
		add("X-Request-Id", s.uuid())
	}
	add("X-Boot", hex.EncodeToString([]byte(s.serial[11:])))
	add("Authorization", s.bearer+s.token(40))
	add("Content-Type", contentType)
	if body != nil {
		add("Content-Length", fmt.Sprint(len(body)))
	}
	add(s.header[0], s.header[1])
	if s.perRequest {
		s.conn = s.uuid()
	}
	port := exchange.DefaultPort(s.scheme)
	start := s.now
	s.now = s.now.Add(s.jitter(s.latency))
	f := &flow.Flow{
		Created: start,
		Request: flow.Request{
			Method: method, Scheme: s.scheme, Host: host, Port: port, Path: target, Proto: s.proto, Header: h,
			Body: flow.Body{Blob: capture.Blob{Size: int64(len(body)), Data: body}}, Start: start, End: start,
		},
		Response: &flow.Response{Status: status, Proto: s.proto, Start: s.now, End: s.now},
		Client:   flow.Conn{ID: s.conn, TLS: s.scheme == "https", TLSVersion: s.tlsVersion, Start: start},
	}
	f.SetFingerprint(flow.Fingerprint{JA3: s.ja3, JA4: s.ja4})
	if s.ja4 != "" && len(s.flows)%7 == 6 { // a resumed session
		f.SetFingerprint(flow.Fingerprint{JA3: s.token(32), JA4: s.ja4[:6] + "17" + s.ja4[8:], Resumes: true})
	}
	s.flows = append(s.flows, f)
	return f
}

// read returns a session of flows.
func read(t testing.TB, name string, flows []*flow.Flow) *Session {
	t.Helper()
	s, err := Read(name, each(flows))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
