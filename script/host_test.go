package script_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/expect"
	"starproxy/driver/mock"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// newHost makes a host as the driver does.
func newHost(o script.Options) *script.Host {
	o.Merge, o.Match = mock.Merge, scenario.Matching
	return script.New(o)
}

// testOptions are those of tests and examples, as the command line has them.
func testOptions() script.TestOptions {
	return script.TestOptions{Options: script.Options{Merge: mock.Merge, Match: scenario.Matching, Expect: expect.Made}, Table: scenario.Table(scenario.Env{})}
}

// exampleExchange is the request that the examples of the documentation ask about.
func exampleExchange() *exchange.Exchange {
	x := newExchange("POST", "/api/items/7?page=2", `{"user": {"name": "ada"}, "tags": ["x"]}`)
	x.Forward = func(context.Context) (*exchange.Response, error) {
		return exchange.JSON(http.StatusOK, map[string]bool{"real": true}), nil
	}
	return x
}

func newExchange(method, target, body string) *exchange.Exchange {
	x := &exchange.Exchange{
		ID: 1, Start: time.Unix(1700000000, 0), Client: netip.MustParseAddrPort("127.0.0.1:4000"),
		Request: &exchange.Request{
			Method: method, Scheme: "http", Host: "api.test", Port: 80, Target: target, Proto: "HTTP/1.1",
			Authority: "api.test", Header: exchange.HeaderOf("Host", "api.test", "X-Device", "d1", "User-Agent", "test"),
		},
		Endpoint: method + " " + target,
		Params:   map[string]string{"id": "7"},
	}
	if body != "" {
		x.Request.Body = exchange.NewIncoming(strings.NewReader(body), nil)
	}
	return x
}
