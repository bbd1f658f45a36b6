package doctor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDiagnose(t *testing.T) {
	t.Parallel()
	good := Facts{Ways: []string{"regular"}, Requests: 2, Hosts: []Host{{Name: "a.test", Trusted: 1}}}
	reaches := "reaches: reaches the proxy by regular: 2 requests, 1 TLS handshake"
	trusts := "trusts: trusts the CA: handshakes with 1 host came to requests"
	with := func(change func(*Facts)) *Facts {
		f := good
		change(&f)
		return &f
	}
	for name, tt := range map[string]struct {
		facts *Facts
		want  []string
	}{
		"nothing":  {&Facts{}, []string{"around!: sent nothing to the proxy"}},
		"all well": {&good, []string{reaches, trusts}},
		"two ways": {with(func(f *Facts) { f.Ways = []string{"regular", "socks5@1080"}; f.Requests = 1 }), []string{"reaches: reaches the proxy by regular, socks5@1080: 1 request, 1 TLS handshake", trusts}},
		"pinned": {with(func(f *Facts) { f.Hosts = append(f.Hosts[:1:1], Host{Name: "b.test", Failed: 2, Pinned: true}) }), []string{
			"reaches: reaches the proxy by regular: 2 requests, 3 TLS handshakes", trusts, "pins!: refuses our certificates for b.test, and accepts them for others"}},
		"no CA": {with(func(f *Facts) { f.Hosts = []Host{{Name: "a.test", Failed: 1, Reason: "it does not trust the CA"}} }), []string{
			reaches, "distrusts!: does not accept our certificate for a.test: it does not trust the CA"}},
		"many hosts": {with(func(f *Facts) {
			f.Hosts = []Host{{Name: "a", Silent: true}, {Name: "b", Silent: true}, {Name: "c", Silent: true}, {Name: "d", Silent: true}, {Name: "e", Silent: true}}
		}), []string{"reaches: reaches the proxy by regular: 2 requests, 0 TLS handshakes", "no_tls!: opens tunnels to a, b, c and 2 more and sends no TLS in them"}},
		"names that are lost": {with(func(f *Facts) { f.Lost = []string{"x.test"} }), []string{
			reaches, "around!: asks for x.test and does not connect to the address that it gets from our resolver", trusts}},
		"clock behind": {with(func(f *Facts) { f.Dated, f.Skew = true, -time.Hour }), []string{reaches, trusts, "wrong_time!: its clock is 1h0m0s behind ours, by the Date of a request"}},
		"clock right":  {with(func(f *Facts) { f.Dated, f.Skew = true, time.Minute }), []string{reaches, trusts}},
		"expired": {with(func(f *Facts) {
			f.Hosts, f.Expired = []Host{{Name: "a.test", Failed: 1, Reason: "expired"}}, []string{"a.test"}
		}), []string{reaches, "wrong_time!: calls the certificate of a.test expired, which is valid by our clock: its own clock is wrong"}},
		"clock of handshakes": {with(func(f *Facts) { f.Stamped, f.Ahead = true, time.Hour }), []string{reaches, trusts, "wrong_time!: its clock is 1h0m0s ahead of ours, by the times in its TLS handshakes"}},
		"offered QUIC":        {with(func(f *Facts) { f.Hints = []string{"a.test"} }), []string{reaches, trusts, "quic: is offered QUIC (Alt-Svc) by a.test; requests that go there do not come here"}},
		"turned away":         {&Facts{TurnedAway: 2}, []string{"turned_away!: is turned away: listen.allow does not have its address (2 connections)"}},
		"no user":             {&Facts{Ways: []string{"regular"}, Unknown: 1}, []string{"turned_away!: reaches the proxy by regular and is refused with 407 (1 request): it gives no user of listen.auth with its password"}},
		"a user at last":      {with(func(f *Facts) { f.Unknown = 1 }), []string{reaches, trusts}},
		"QUIC":                {with(func(f *Facts) { f.QUIC = 4 }), []string{reaches, trusts, "quic!: speaks QUIC: 4 datagrams to UDP port 443"}},
		"garbage":             {with(func(f *Facts) { f.Refused = 3 }), []string{reaches, trusts, "refused!: sent 3 requests that are no valid HTTP"}},
	} {
		var got []string
		for _, f := range Diagnose(tt.facts) {
			mark := ""
			if !f.OK {
				mark = "!"
			}
			if f.OK != (f.Advice == "") {
				t.Errorf("%s: %s has advice %q", name, f.Kind, f.Advice)
			}
			got = append(got, string(f.Kind)+mark+": "+f.Text)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
