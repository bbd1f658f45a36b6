package bench

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// scriptRow is one kind of mock that computes, beside a static mock that gets
// the same request and gives as much of an answer. Both are in one proxy.
type scriptRow struct {
	name    string
	request []byte // with the static mock's path
	path    string // of the mock that computes
}

const staticPath = "/static"

var scriptRows = []scriptRow{
	{"handler: a header, a JSON field and the state", post(staticPath), "/script"},
	{"template with five expressions", request("http://api.example.test"+staticPath, true), "/template"},
	{"rules, the third of three matches", request("http://api.example.test"+staticPath, true), "/rules"},
}

// wantStatic is the rate that we want to reach, as a part of the static mock's.
const wantStatic = 0.70

func post(path string) []byte {
	const body = `{"user": {"name": "ada"}, "devices": [1, 2, 3]}`
	return fmt.Appendf(nil, "POST http://api.example.test%s HTTP/1.1\r\nHost: api.example.test\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n"+
		"X-Device: charger-07\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

const scriptScenario = `
state.set("token", "tok-1")

def handle(req):
    return {"body": {
        "id": req.header("X-Device"), "user": req.json("user.name"), "token": state.get("token"),
        "online": True, "firmware_version": "2.5.1", "updated_at": "2026-01-01",
    }}

STATUS = {"body": {"id": "device-001", "online": True, "firmware_version": "2.5.1", "updated_at": "2026-01-01T00:00:00Z"}}

endpoints = {
    "* /static": STATUS,
    "POST /script": handle,
    "GET /template": {"body_template": {
        "id": "{{uuid}}", "at": "{{now_iso}}", "n": "{{counter(requests)}}", "from": "{{request_header(User-Agent)}}", "level": "{{random_int(1, 100)}}",
    }},
    "GET /rules": {"rules": [
        {"match": {"headers": {"X-Device": "charger-08"}}, "status": 401},
        {"match": {"query": {"page": "2"}}, "status": 402},
        STATUS,
    ]},
}
`

// TestBenchScripts prints what scripts cost beside a static mock.
func TestBenchScripts(t *testing.T) {
	if os.Getenv("STARPROXY_BENCH") == "" {
		t.Skip("set STARPROXY_BENCH=1 (make bench) to measure")
	}
	const rounds = 7
	lab := newLab(t)
	defer lab.close()
	file := filepath.Join(lab.dir, "bench.star")
	if err := os.WriteFile(file, []byte(scriptScenario), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort()
	p := lab.start(lab.command(lab.bin, port, "mock", filepath.Join(lab.dir, "scripts.sock"), file), fmt.Sprintf("127.0.0.1:%d", port))
	defer p.kill()
	var b strings.Builder
	fmt.Fprintf(&b, "\n| mock | its CPU | static mock's CPU | ratio (goal %.2f) |\n|---|--:|--:|--:|\n", wantStatic)
	for _, r := range scriptRows {
		scripted := []byte(strings.Replace(string(r.request), staticPath, r.path, 1))
		var ours, static []figures
		var ratios []float64
		for round := range rounds + 1 {
			s, o := lab.kept(t, p, r.request), lab.kept(t, p, scripted)
			if round > 0 { // the first warms up
				ours, static, ratios = append(ours, o), append(static, s), append(ratios, float64(s.cpu)/float64(o.cpu))
			}
		}
		o, s := median(ours), median(static)
		slices.SortFunc(ratios, cmp.Compare)
		us := func(f figures) string {
			return fmt.Sprintf("%.1f µs, %.0f/s", float64(f.cpu.Nanoseconds())/1e3, f.rate)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.2f (%.2f to %.2f) |\n", r.name, us(o), us(s), ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
	}
	fmt.Fprintf(&b, "\nCPU time of the proxy per request over 8 kept connections; medians of %d interleaved rounds, captures on.\n", rounds)
	fmt.Print(b.String())
}

// kept measures one round of the same request on kept connections.
func (l *lab) kept(t *testing.T, p *process, req []byte) figures {
	ld := &load{lab: l, scale: 1}
	before, t0 := p.cpu(t), time.Now()
	n := ld.parallel(40000, func(next func() (int, bool)) error {
		c, err := net.Dial("tcp", p.plain)
		if err != nil {
			return err
		}
		defer c.Close()
		return ld.exchange(c, req, next)
	})
	took, used := time.Since(t0), p.cpu(t)-before
	if ld.err != nil {
		t.Fatalf("%.40q: %v", req, ld.err)
	}
	return figures{cpu: used / time.Duration(n), rate: float64(n) / took.Seconds()}
}
