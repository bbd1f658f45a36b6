package driver

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/contract"
)

const carsContract = `openapi: 3.1.0
info: {title: Cars, version: '2'}
paths:
  /cars:
    post:
      operationId: addCar
      requestBody:
        required: true
        content: {application/json: {schema: {type: object, required: [vin]}}}
      responses:
        '200': {description: Added., content: {application/json: {schema: {type: object, required: [id]}}}}
  /cars/{id}:
    get:
      responses:
        '200': {description: One., content: {application/json: {schema: {type: object, required: [id]}}}}
`

// zipped returns text in gzip.
func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

// cars is a real server of the API: its answer is what the header X-Say of the request says.
func cars(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		say := r.Header.Get("X-Say")
		if r.Header.Get("X-Gzip") != "" {
			w.Header().Set("Content-Encoding", "gzip")
			say = zipped(say)
		}
		if say == "" {
			say = `"` + strings.Repeat("x", contract.MaxBody) + `"`
		}
		io.WriteString(w, say)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// kept returns the report of the contract.
func (b *bench) kept() (r contract.Report) {
	b.Helper()
	if err := json.Unmarshal([]byte(b.call("contract_report")), &r); err != nil {
		b.Fatal(err)
	}
	return r
}

// notes returns the notes about the contract of the latest capture.
func (b *bench) notes() (list []string) {
	b.Helper()
	var events []struct{ Notes []struct{ Text string } }
	if err := json.Unmarshal([]byte(b.call("get_captured_requests")), &events); err != nil {
		b.Fatal(err)
	}
	for _, n := range events[len(events)-1].Notes {
		list = append(list, n.Text)
	}
	return list
}

// contracted loads the contract in a mode and starts the proxy.
func contracted(t *testing.T, mode string) (*bench, *url.URL) {
	b := newBench(t, nil)
	b.write("cars.yaml", carsContract)
	path := b.write("s.yaml", fmt.Sprintf("contract: {file: %s, mode: %s}\nendpoints: {GET /mocked: {body: 1}}\n", filepath.Join(b.dir, "cars.yaml"), mode))
	b.d.cfg.Directories.Mocks = b.dir
	proxy := b.start()
	if said := b.call("load_mock_scenario", path); !strings.HasPrefix(said, "Loaded") {
		t.Fatal(said)
	}
	return b, proxy
}

// send posts through the proxy and returns the status and the body.
func send(t *testing.T, c *http.Client, method, target, body string, headers ...string) string {
	t.Helper()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, data)
}

func TestContractWarns(t *testing.T) {
	t.Parallel()
	b, proxy := contracted(t, "warn")
	server := cars(t)
	c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	const place = "cars.yaml:9:71 #/paths/~1cars/post/requestBody/content/application~1json/schema/required"
	for _, test := range []struct {
		name, method, path, body string
		headers                  []string
		status                   string
		want                     []string
	}{
		{"right", "POST", "/cars", `{"vin":1}`, []string{"X-Say", `{"id":1}`}, "200", nil},
		{"request", "POST", "/cars", `{}`, []string{"X-Say", `{"id":1}`}, "200", []string{
			"contract: request body: missing property 'vin' (" + place + ")"}},
		{"gzip", "POST", "/cars", zipped(`{}`), []string{"X-Say", `{}`, "X-Gzip", "1", "Content-Encoding", "gzip", "Accept-Encoding", "gzip"}, "200", []string{
			"contract: request body: missing property 'vin' (" + place + ")",
			"contract: answer body: missing property 'id' (cars.yaml:11:100 #/paths/~1cars/post/responses/200/content/application~1json/schema/required)"}},
		{"large", "POST", "/cars", `{"vin":1}`, nil, "200", []string{"contract: not checked: answer body: it has more than 1 MiB"}},
		{"method", "PUT", "/cars", "", []string{"X-Say", `{}`}, "200", []string{
			"contract: request: the contract has the path, but not with PUT (cars.yaml:1:1 #)"}},
		{"outside", "GET", "/else", "", []string{"X-Say", `{}`}, "200", nil},
	} {
		if got := send(t, c, test.method, server+test.path, test.body, test.headers...); !strings.HasPrefix(got, test.status) {
			t.Errorf("%s: got %.80s, want %s", test.name, got, test.status)
		}
		if diff := cmp.Diff(test.want, b.notes()); diff != "" {
			t.Errorf("%s: want, got:\n%s", test.name, diff)
		}
	}
	r := b.kept()
	if diff := cmp.Diff(contract.Totals{Checked: 5, Broken: 3, Unchecked: 1, Outside: 1}, r.Totals); diff != "" {
		t.Errorf("totals: want, got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"GET /cars/{id}"}, r.NeverMet); diff != "" || r.Contract != "Cars 2 (cars.yaml)" || len(r.Breaches) != 3 {
		t.Errorf("got %+v, want two kinds of breaches and one operation that was never met\n%s", r, diff)
	}
	b.call("clear_mocks")
	send(t, c, "POST", server+"/cars", `{}`, "X-Say", `{}`)
	if got := b.notes(); got != nil {
		t.Errorf("without a contract: got %q, want no notes", got)
	}
}

func TestContractRejects(t *testing.T) {
	t.Parallel()
	b, proxy := contracted(t, "reject")
	server := cars(t)
	c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	for _, test := range []struct{ name, body, say, want string }{
		{"right", `{"vin":1}`, `{"id":1}`, `200 {"id":1}`},
		{"request", `{}`, `{"id":1}`, `400 {"error":"the request breaks the contract","contract":"Cars 2 (cars.yaml)","breaches":[{"operation":"POST /cars","side":"request","kind":"body","at":"body","text":"missing property 'vin'",`},
		{"answer", `{"vin":1}`, `{}`, `502 {"error":"the answer breaks the contract",`},
		{"large", `{"vin":1}`, ``, `200 "xxxx`},
	} {
		if got := send(t, c, "POST", server+"/cars", test.body, "X-Say", test.say); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: got %.300s, want %s", test.name, got, test.want)
		}
	}
	if got := b.kept().Totals; got != (contract.Totals{Checked: 4, Broken: 2, Unchecked: 1}) {
		t.Errorf("got %+v, want 4 exchanges, 2 of them broken, 1 unchecked", got)
	}
}

// An exchange over HTTP/2 is checked as others are.
func TestContractOverHTTP2(t *testing.T) {
	t.Parallel()
	b, proxy := contracted(t, "warn")
	b.call("set_mock", "GET", "/cars/1", 200, `{"name":"x"}`)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(b.call("get_ca_cert")))
	c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	res, err := c.Get("https://car.test/cars/1")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := b.notes(); res.ProtoMajor != 2 || len(got) != 1 || !strings.Contains(got[0], "missing property 'id'") {
		t.Errorf("%s: got %q, want the missing property", res.Proto, got)
	}
}

// More entries than can wait are journaled at once, and counted.
func TestContractOverload(t *testing.T) {
	t.Parallel()
	c, err := contract.Load(contract.Options{File: "/cars.yaml", Read: func(string) ([]byte, error) { return []byte(carsContract), nil }})
	if err != nil {
		t.Fatal(err)
	}
	s := &contracts{table: &contract.Table{}}
	s.table.Set(c)
	held, added := make(chan struct{}), make(chan uint64, maxUnsettled+10)
	e := &capture.Entry{Method: "GET", Host: "car.test", Target: "/cars/1", Status: 200, Origin: exchange.FromServer}
	add := func(e *capture.Entry) {
		<-held
		added <- e.Conn
	}
	refused := 0
	for i := range maxUnsettled + 10 {
		own := *e
		own.Conn = uint64(i)
		if !s.Inspect(&own, add) {
			refused++
			if own.Notes[0].Text != "contract: not checked: too many exchanges at once" {
				t.Errorf("got the notes %v, want that it was not checked", own.Notes)
			}
		}
	}
	close(held)
	s.drain()
	close(added)
	last := int64(-1)
	for n := range added {
		if int64(n) <= last {
			t.Errorf("entry %d came behind %d, want them in their order", n, last)
		}
		last = int64(n)
	}
	if r := s.table.Report(); refused != 10 || r.Overload != uint64(refused) || r.Checked != uint64(maxUnsettled+10-refused) {
		t.Errorf("got %+v, want 10 refused, got %d", r.Totals, refused)
	}
}
