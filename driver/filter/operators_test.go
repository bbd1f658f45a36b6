package filter

import (
	"strings"
	"testing"
)

// all has the names of all entries.
const all = "login logo lost patch refused replay socket tls"

// expected is an expression and the names of the entries that it matches.
type expected struct{ expr, want string }

// operatorCases use all operators.
func operatorCases() []expected {
	return []expected{
		{"~all", all},
		{"~u LOGIN", "login"},
		{"login", "login"},
		{"'user=a%20'", "login"},
		{"~u ^https://api.example.com/v1", "login"},
		{"~u cdn.example.net:8080/logo", "logo"}, // as the Host header has it
		{"~u 198.51.100.4:8080/logo", "logo"},    // as captures show it
		{"https://h:8443/p", "patch"},
		{"203.0.113.9", "tls"},
		{"~d example.com$", "login lost tls"},
		{"~d ^cdn.example.net$", "logo"},
		{"~d ^198", "logo"},
		{"~m post", "login"},
		{"~m ^connect$", "tls"},
		{"~c 401", "login"},
		{"~c 4xx", "login"},
		{"~c 200-399", "logo patch replay"},
		{"~c 101,3XX,400-402", "login replay socket"},
		{"~c 502", ""},
		{"~b password", "login"},
		{"~b subscribe", "socket"},
		{"~b ^502", ""},
		{"~bq word", "login"},
		{"~bq PASSWORD", ""},
		{"~bq name=a.word", "login"},
		{"~bq GRÜN", "login"},
		{"~bq '^SUB'", "socket"},
		{"~bq tick", ""},
		{"~bs wrong.password", "login"},
		{"~bs tick", "socket"},
		{"~bs png.*ihdr", "logo"},
		{`~bs \x89png`, "logo"},
		{`~bs \xff{100}`, "logo"},
		{"~bs subscribe", ""},
		{"~h secret", "login"},
		{"~h ^Set-Cookie:.*2$", "login"},
		{"~h upgrade", "socket"},
		{"~hq '^x-api-key: secret\r$'", "login"},
		{"~hq ^host:", "login logo lost refused"},
		{"~hq cookie", ""},
		{"~hs ^content-type:", "login logo"},
		{"~t json", "login"},
		{"~t form", "login"},
		{"~tq json", ""},
		{"~tq form-urlencoded$", "login"},
		{"~ts ^image/", "logo"},
		{"~ts text/plain", ""},
		{"~a", "logo"},
		{"~src ^192.0.2.7:", "login lost refused tls"},
		{"~src charger-07", "login lost refused tls"},
		{`~src "^\[2001:db8::1]:9$"`, "logo"},
		{"~dst :443$", "login replay socket tls"},
		{"~dst ^198.51.100.4:8080$", "logo"},
		{"~q", "lost"},
		{"~s", "login logo patch replay socket"},
		{"~e", "lost refused tls"},
		{"~mock ^post", "login"},
		{"~mock ''", "login patch"},
		{"~mocked", "login patch replay"},
		{"~patched", "patch"},
		{"~passthrough", "logo socket"},
		{"~unmatched", "lost"},
		{"~tls", "tls"},
		{"~refused", "refused"},
		{"pot.example", "refused"},
		{"~u ^http://pot.example.org/tea$", "refused"},
		{"~d pot", "refused"},
		{"~dst ^pot.example.org:80$", "refused"},
		{"~m brew", "refused"},
		{"~m ^refused$", "refused"},
		{"~c 400", ""},
		{"~b oolong", "refused"},
		{"~bq 'brew /tea'", "refused"},
		{"~bs oolong", ""},
		{"~h '^x-leaf: oolong'", "refused"},
		{"~hq oolong", "refused"},
		{"~hs oolong", ""},
		{"~t oolong", ""},
		{"~met ^network", "login"},
		{"~open", "logo"},
		{"~meta origin", "login logo lost patch replay socket"},
		{"~slow 5", "login logo"},
		{"~slow 6ms", "logo"},
		{"~slow 2s", "logo"},
		{"~slow 2.001s", ""},
		{"~size 3000", "logo"},
		{"~size 2.9K", "logo"},
		{"~size 1m", ""},
		{"~marked", "patch"},
		{"~marker RED", "patch"},
		{"~comment ^at", "patch"},
		{"~meta '^starproxy.endpoint: GET'", "patch"},
		{"~meta 'origin: replayed'", "replay"},
		{"~meta 'warning: slow'", "login"},
		{"~contract", "login"},
		{"~replay", "replay"},
		{"~replays", "replay"},
		{"~replayq", ""},
		{"~http", "login logo lost patch replay socket"},
		{"~websocket", "socket"},
		{"~tcp", ""},
		{"~udp", ""},
		{"~dns", ""},
	}
}

func TestOperators(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, tt := range operatorCases() {
		checkMatches(t, tt.expr, tt.want)
		name, _, _ := strings.Cut(strings.TrimPrefix(tt.expr, "~"), " ")
		used[name] = true
	}
	for _, op := range Operators() {
		if !used[op.Name] {
			t.Errorf("~%s: no test", op.Name)
		}
		if op.Help == "" {
			t.Errorf("~%s: no help", op.Name)
		}
	}
}
