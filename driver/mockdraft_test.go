package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMakeMock(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	real := server(t)
	b.write("mock-responses/m.yaml", "GET /users/{id}: {priority: -1, body: old}\n")
	proxy := b.start()
	b.call("load_mock_scenario", "m.yaml")
	b.call("set_mock", "GET", "/users/8", 200.0, `"eight"`)
	b.call("enable_mock", "GET /users/{id}", false)
	b.get(proxy, real.URL+"/users/7?a=1")
	b.call("enable_mock", "GET /users/{id}", true)
	type draft struct {
		Key, Definition, File string
		Offers                struct{ Host, Path string }
		Relations             []struct{ Key, Source, Effect string }
	}
	make := func(choices string) (d draft) {
		t.Helper()
		decodeAnswer(b, &d, "capture_as_mock", 1, choices)
		return d
	}
	before := b.call("list_endpoints")
	host := strings.TrimPrefix(real.URL, "http://")
	d := make("{}")
	if d.Key != "GET http://"+host+"/users/7" || !strings.Contains(d.Definition, "query:\n    a: \"1\"") || len(d.Relations) != 0 || d.Offers.Path != "/users/{id}" {
		t.Errorf("got %+v", d)
	}
	d = make(`{"any_host": true, "placeholders": true, "any_query": true}`)
	if fmt.Sprint(d.Key, d.Relations) != "GET /users/{id}[{GET /users/{id} m.yaml:1 replaced}]" {
		t.Errorf("got %+v", d)
	}
	var found struct {
		Ok        bool
		Relations []struct{ Key, Source, Effect string }
	}
	for _, c := range []struct{ key, text, replaces, want string }{
		{"GET /users/*", "priority: 1", "", "[{GET /users/{id} m.yaml:1 shadowed} {GET /users/8 set by a client shadowed}]"},
		{"GET /users/8", "body: x", "GET /users/8", "[]"},
		{"GET /users/8", "body: x", "", "[{GET /users/8 set by a client replaced}]"},
		{"GET /users/8#late", "body: x", "", "[{GET /users/8 set by a client ahead}]"},
	} {
		decodeAnswer(b, &found, "check_mock", c.key, c.text, c.replaces)
		if fmt.Sprint(found.Relations) != c.want || !found.Ok {
			t.Errorf("%s: got %+v, want %s", c.key, found, c.want)
		}
	}
	if after := b.call("list_endpoints"); after != before {
		t.Errorf("a draft has changed the endpoints from\n%s to\n%s", before, after)
	}
	// A mock without a server takes the place of those for one.
	b.call("put_mock", "GET http://"+host+"/users/7", "body: one", "")
	if decodeAnswer(b, &found, "check_mock", "GET /users/7", "body: x"); len(found.Relations) != 1 || found.Relations[0].Effect != "replaced" || !strings.Contains(b.call("check_mock", "GET /users/7", "body: x"), "It takes the place of GET http://") {
		t.Errorf("got %+v", found)
	}
	if got := b.call("capture_as_mock", 1, `{"anyhost": true}`); !strings.Contains(got, `unknown key "anyhost"`) || !strings.Contains(got, "INVALID_ARGUMENT") {
		t.Error(got)
	}
}

func TestMakeMockWithFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	proxy := b.start()
	b.write(filepath.Join(filepath.Base(b.d.captures.files), "big.bin"), "\x00"+strings.Repeat("y", 70_000))
	b.call("put_mock", "GET /big", "file: big.bin")
	want := b.get(proxy, "http://h.test/big")
	b.call("clear_mocks")
	var d struct{ Key, Definition, File string }
	decodeAnswer(b, &d, "capture_as_mock", 1)
	path := b.d.captures.files + "/" + d.File
	if _, err := os.Stat(path); d.File == "" || err == nil {
		t.Fatalf("got %+v, %v", d, err)
	}
	b.want(d.File, "write_captured_body", 1)
	b.call("put_mock", d.Key, d.Definition)
	if got := b.get(proxy, "http://h.test/big"); got != want {
		t.Errorf("got %.40q, want %.40q", got, want)
	}
}
