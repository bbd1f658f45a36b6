package driver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// heldRows waits up to 10 s for a held exchange.
func (b *bench) heldRows() (rows []struct {
	ID           int
	Side, Method string
	URL          string
	Status       int
}) {
	b.Helper()
	if err := json.Unmarshal([]byte(b.call("list_held", 10.0)), &rows); err != nil {
		b.Fatal(err)
	}
	return rows
}

// asked asks through the proxy meanwhile.
func (b *bench) asked(get func() string) <-chan string {
	got := make(chan string, 1)
	go func() { got <- get() }()
	return got
}

// A test holds requests, edits them so that another mock answers, and answers by itself.
func TestHolds(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	proxy := b.start()
	b.call("set_mock", "GET", "/one", 200, `{"n": 1}`)
	b.call("set_mock", "GET", "/two", 200, `{"n": 2}`)
	if s := b.status(); s["intercept"] != nil {
		t.Error(s["intercept"])
	}
	b.want("Intercept set: the request of ~u one, for 1m0s at most", "intercept", "~u one")
	got := b.asked(func() string { return b.get(proxy, "http://api.example.com/one") })
	rows := b.heldRows()
	if len(rows) != 1 || rows[0].Side != "request" || rows[0].URL != "http://api.example.com/one" {
		t.Fatalf("got %+v", rows)
	}
	now := b.status()["intercept"].(map[string]any)
	if changes := now["changes"].(float64); changes < 2 {
		t.Errorf("got %v changes", changes)
	}
	delete(now, "changes")
	told, err := json.Marshal(now)
	if want := `{"expr":"~u one","held":1,"passed":0,"side":"request","timeout":60}`; err != nil || string(told) != want {
		t.Errorf("got %s, want %s", told, want)
	}
	id := rows[0].ID
	b.want(`INVALID_ARGUMENT release: got the key "status", want method, url, headers, body, body_base64`, "release", id, `{"status": 1}`)
	b.want(fmt.Sprint("Released: ", id), "release", id, `{"url": "/two"}`)
	if text := <-got; text != `200 {"n":2}` {
		t.Error(text)
	}
	b.want(fmt.Sprintf("NOT_FOUND release: no exchange %d is held: it went on, or its device left; held now: none", id), "release", id)
	if text := b.call("get_capture", 1); !strings.Contains(text, `{"by":"hand","side":"request","part":"url","before":"http://api.example.com/one","after":"http://api.example.com/two"}`) ||
		!strings.Contains(text, "edited by hand: url of the request") {
		t.Error(text)
	}

	b.want("Intercept set: the response of ~mocked, for 5s at most", "intercept", "~mocked", "response", 5.0)
	got = b.asked(func() string { return b.get(proxy, "http://api.example.com/two") })
	id = b.heldRows()[0].ID
	if text := b.call("get_held", id); !strings.Contains(text, `"body":"{\"n\":2}"`) || !strings.Contains(text, `"endpoint":"GET /two"`) {
		t.Error(text)
	}
	b.want(fmt.Sprint("Answered: ", id), "answer_held", id, `{"status": 503, "body": "busy"}`)
	if text := <-got; text != "503 busy" {
		t.Error(text)
	}
	if text := b.call("intercept", "~zz"); !strings.HasPrefix(text, "INVALID_ARGUMENT intercept: column 1: unknown operator ~zz") {
		t.Error(text)
	}
}

// A reset and the end of the session release all.
func TestHoldsEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	proxy := b.start()
	b.call("load_mock_scenario_content", "s.yaml", "GET /one: {body: 1}\n")
	for _, end := range []string{"reset_mocks", "stop", "release_all"} {
		b.call("start")
		proxy.Host = b.status()["proxy_address"].(string)
		b.call("intercept", "~all")
		got := b.asked(func() string { return b.get(proxy, "http://api.example.com/one") })
		b.heldRows()
		began := time.Now()
		b.call(end)
		if text := <-got; text != "200 1" || time.Since(began) > 10*time.Second {
			t.Errorf("%s: got %s after %v", end, text, time.Since(began))
		}
		if on := b.status()["intercept"] != nil; on != (end != "reset_mocks") {
			t.Errorf("%s: intercept is on: %v", end, on)
		}
		b.want("[]", "list_held")
	}
	b.want("Intercept is off; released: 0", "intercept")
}
