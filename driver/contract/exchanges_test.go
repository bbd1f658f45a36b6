package contract

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starproxy/builtins/exchange"
)

type one struct {
	spec, method, path, kind, body string
	hdr                            map[string]string
	status                         int
	answerKind, answer             string
	reqOK, resOK                   bool
}

const asJSON = "application/json"

// exchanges are requests and answers of devices, right and wrong ones.
var exchanges = []one{
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs?limit=5&tag=a&tag=b", status: 200, answerKind: asJSON, answer: `[{"id":1,"name":"Rex","tag":null}]`, reqOK: true, resOK: true},
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs?limit=500", status: 200, answerKind: asJSON, answer: `[{"id":"1","name":"Rex"}]`},
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs?limit=5", hdr: map[string]string{"X-Trace": "zz"}, status: 500, answerKind: asJSON, answer: `{"code":1,"message":"m"}`, resOK: true},
	{spec: "petstore.yaml", method: "POST", path: "https://kennel.example.com/v1/dogs", kind: asJSON, hdr: map[string]string{"X-Api-Key": "1"}, body: `{"name":"Rex","weight":0}`, status: 201, answerKind: asJSON, answer: `{"id":1,"name":"Rex"}`},
	{spec: "petstore.yaml", method: "POST", path: "https://kennel.example.com/v1/dogs", kind: asJSON, hdr: map[string]string{"X-Api-Key": "1"}, body: `{"name":"Rex","weight":2.5,"born":"2020-01-02"}`, status: 418, answerKind: asJSON, answer: `{"code":1}`, reqOK: true},
	{spec: "petstore.yaml", method: "POST", path: "https://kennel.example.com/v1/dogs", kind: asJSON, body: `{"name":"Rex"}`, status: 418, answerKind: asJSON, answer: `{"code":1,"message":""}`, resOK: true},
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs/mine", status: 200, answerKind: asJSON, answer: `[]`, reqOK: true, resOK: true},
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs/x", status: 404, answerKind: asJSON, answer: `{"code":1,"message":""}`, resOK: true},
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs/7", status: 302, answerKind: asJSON, answer: `{"code":1,"message":""}`, reqOK: true},
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs/7/photo", status: 200, answerKind: "image/jpeg", answer: "\xff\xd8", reqOK: true, resOK: true},
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs/7", status: 200, answerKind: asJSON, answer: `{"id":1,"name":"R","owner":null}`, reqOK: true, resOK: true},
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs/7", status: 200, answerKind: asJSON, answer: `{"id":1,"name":"R","owner":{"email":"a@b.c","extra":1}}`, reqOK: true},
	{spec: "petstore.yaml", method: "GET", path: "https://kennel.example.com/v1/dogs/7", status: 200, answerKind: asJSON, answer: `{"id":1,"name":"R","owner":{"email":"a@b.c","password":"1"}}`, reqOK: true},
	{spec: "vehicle31.yaml", method: "POST", path: "https://eu.vehicle.example.com/api/v2/vehicles/WVWZZZ1JZXW000001/telemetry", kind: asJSON, hdr: map[string]string{"Authorization": "Bearer x"}, body: `{"at":"2026-01-01T00:00:00Z","position":[1,2],"speed":null,"signals":{"t_oil":3}}`, status: 202, answerKind: asJSON, answer: `{"accepted":true,"next_s":60}`, reqOK: true, resOK: true},
	{spec: "vehicle31.yaml", method: "POST", path: "https://eu.vehicle.example.com/api/v2/vehicles/WVWZZZ1JZXW000001/telemetry", kind: asJSON, hdr: map[string]string{"Authorization": "Bearer x"}, body: `{"at":"2026-01-01T00:00:00Z","position":[1,2,3]}`, status: 202, answerKind: asJSON, answer: `{"accepted":false,"next_s":60}`},
	{spec: "vehicle31.yaml", method: "POST", path: "https://eu.vehicle.example.com/api/v2/vehicles/WVWZZZ1JZXW000001/telemetry", kind: asJSON, hdr: map[string]string{"Authorization": "Bearer x"}, body: `{"at":"2026-01-01T00:00:00Z","position":[1,2],"speed":3}`, status: 429, answerKind: "application/problem+json", answer: `{"title":"x"}`},
	{spec: "vehicle31.yaml", method: "POST", path: "https://eu.vehicle.example.com/api/v2/vehicles/WVWZZZ1JZXW000001/telemetry", kind: asJSON, hdr: map[string]string{"Authorization": "Bearer x"}, body: `{"at":"yesterday","position":[1,2]}`, status: 202, answerKind: asJSON, answer: `{"accepted":true,"next_s":0}`},
	{spec: "vehicle31.yaml", method: "GET", path: "https://eu.vehicle.example.com/api/v2/vehicles/WVWZZZ1JZXW000001/updates?channel=beta&ecu[name]=a&ecu[version]=3", status: 200, answerKind: asJSON, answer: `{"updates":[{"name":"a","version":1,"url":"https://a/b","sha256":"` + strings.Repeat("0", 64) + `"}]}`, reqOK: true, resOK: true},
	{spec: "vehicle31.yaml", method: "GET", path: "https://eu.vehicle.example.com/api/v2/vehicles/WVWZZZ1JZXW000001/updates?channel=gamma", status: 200, answerKind: asJSON, answer: `{"updates":[{"name":"a","version":1,"url":"https://a/b","sha256":"0"}]}`},
	{spec: "vehicle31.yaml", method: "GET", path: "https://eu.vehicle.example.com/api/v2/vehicles/WVWZZZ1JZXW000001/updates?channel=beta&ecu[version]=x", status: 200, answerKind: asJSON, answer: `{"updates":[{"name":"a","version":1,"url":"https://a/b","sha256":"` + strings.Repeat("0", 64) + `"}],"more":1}`},
	{spec: "polymorph.yaml", method: "POST", path: "http://h/messages", kind: asJSON, body: `{"kind":"text","at":1,"text":"x"}`, status: 200, answerKind: asJSON, answer: `{"kind":"pos","at":1,"lat":1,"lon":2.5}`, reqOK: true, resOK: true},
	{spec: "polymorph.yaml", method: "POST", path: "http://h/messages", kind: asJSON, body: `{"kind":"alarm","at":1,"text":"x"}`, status: 200, answerKind: asJSON, answer: `{"kind":"none","at":1,"text":"x"}`},
	{spec: "polymorph.yaml", method: "GET", path: "http://h/shapes/tree", status: 200, answerKind: asJSON, answer: `{"children":[{"children":[],"value":null}]}`, reqOK: true, resOK: true},
	{spec: "polymorph.yaml", method: "GET", path: "http://h/shapes/leaf", status: 200, answerKind: asJSON, answer: `{"children":[{"children":[1]}]}`},
	{spec: "polymorph.yaml", method: "GET", path: "http://h/values", status: 200, answerKind: asJSON, answer: `[true,true]`, reqOK: true},
	{spec: "polymorph.yaml", method: "GET", path: "http://h/values", status: 200, answerKind: asJSON, answer: `{"forbidden":1}`, reqOK: true},
	{spec: "split/openapi.yaml", method: "GET", path: "http://h/charging/stations?near=1,2.5", status: 200, answerKind: asJSON, answer: `[{"id":"0f8fad5b-d9cb-469f-a165-70867728950e","connectors":[{"plug":"ccs"}]}]`, reqOK: true, resOK: true},
	{spec: "split/openapi.yaml", method: "GET", path: "http://h/charging/stations?near=1", status: 200, answerKind: asJSON, answer: `[{"id":"0f8fad5b-d9cb-469f-a165-70867728950e","connectors":[{"plug":"x"}]}]`},
	{spec: "split/openapi.yaml", method: "POST", path: "http://h/charging/stations/0f8fad5b-d9cb-469f-a165-70867728950e/sessions", kind: asJSON, body: `{"connector":1}`, status: 201, answerKind: asJSON, answer: `{"connector":1,"begun":"2026-01-01T00:00:00Z"}`, reqOK: true, resOK: true},
	{spec: "split/openapi.yaml", method: "POST", path: "http://h/charging/stations/zz/sessions", kind: asJSON, body: `{"connector":-1}`, status: 201, answerKind: asJSON, answer: `{"connector":1,"begun":"now"}`},
}

func (c one) pair() (*Request, *Answer) {
	u, _ := url.Parse(c.path)
	h := exchange.Header{}
	if c.kind != "" {
		h.Add("Content-Type", c.kind)
	}
	for k, v := range c.hdr {
		h.Add(k, v)
	}
	return &Request{Method: c.method, Host: u.Host, Target: u.RequestURI(), Header: h, Body: Body{Data: []byte(c.body)}},
		&Answer{Status: c.status, Header: exchange.HeaderOf("Content-Type", c.answerKind), Body: Body{Data: []byte(c.answer)}}
}

// load loads a document of testdata.
func load(t testing.TB, name string) *Contract {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(Options{File: path, Read: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExchanges(t *testing.T) {
	t.Parallel()
	contracts := map[string]*Contract{}
	for _, e := range exchanges {
		if contracts[e.spec] == nil {
			contracts[e.spec] = load(t, e.spec)
		}
		q, a := e.pair()
		got := contracts[e.spec].Check(q, a)
		reqOK, resOK := true, true
		for _, b := range got.Breaches {
			if b.Side == "request" {
				reqOK = false
			} else {
				resOK = false
			}
			t.Log(b)
		}
		if got.Operation == nil || reqOK != e.reqOK || resOK != e.resOK {
			t.Errorf("%s %s %s → %d %s: got %+v, want request %v and answer %v", e.method, e.path, e.body, e.status, e.answer, got, e.reqOK, e.resOK)
		}
	}
}

// kilobyte is an exchange whose answer has 1 KB of JSON.
func kilobyte() one {
	c := exchanges[0]
	c.answer = "[" + strings.TrimSuffix(strings.Repeat(`{"id":1234567,"name":"a dog named Rex","tag":"large"},`, 19), ",") + "]"
	return c
}

func BenchmarkCheck(b *testing.B) {
	for _, spec := range []string{"petstore.yaml", "vehicle31.yaml"} {
		e := kilobyte()
		if spec == "vehicle31.yaml" {
			e = exchanges[17]
			one := strings.TrimSuffix(strings.TrimPrefix(e.answer, `{"updates":[`), "]}")
			e.answer = `{"updates":[` + strings.Repeat(one+",", 7) + one + "]}"
		}
		c := load(b, spec)
		b.Run(spec, func(b *testing.B) {
			q, a := e.pair()
			if r := c.Check(q, a); len(r.Breaches) > 0 {
				b.Fatal(r)
			}
			b.SetBytes(int64(len(e.answer)))
			b.ReportAllocs()
			for b.Loop() {
				r := *q
				c.Check(&r, a)
			}
		})
	}
}
