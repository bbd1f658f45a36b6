package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/driver/proxy/h1"
)

// On a connection that a device keeps, each request may name another user. So
// each is judged as the first was, and the connection moves with the request to
// the proxy that it is meant for. The requests in a tunnel belong to the proxy that
// its CONNECT belonged to.

// admits reports whether a request is this proxy's. When it is not, it is
// answered, or another proxy has it.
func (p *Proxy) admits(w replier, r *inbound, cl *client) bool {
	if cl.target != "" {
		return true
	}
	if p.cfg.Logins != nil {
		if credentials := r.header.Get("Proxy-Authorization"); !p.knows(credentials) {
			p.turnAway(w, r, cl, unknownUser(credentials))
			return false
		}
	}
	if p.branch == nil || cl.in != nil {
		return true
	}
	to, no := p.branch.trunk.seating.Load().judge(plainAddr(cl.addr).Addr(), r.header.Get("Proxy-Authorization"))
	switch {
	case to == p.branch:
		return true
	case no == nil:
		if no = p.move(w, r, cl, to); no == nil {
			return false
		}
	}
	p.turnAway(w, r, cl, no)
	return false
}

// turnAway answers a request with a refusal.
func (p *Proxy) turnAway(w replier, r *inbound, cl *client, no *refusal) {
	no.log(p.log, cl.addr.String())
	p.refused(w, cl, r, no.status, no.why)
	if no.status == http.StatusProxyAuthRequired {
		sayWhy(w, no.why, no.status, "Proxy-Authenticate", challenge)
	} else {
		sayWhy(w, no.why, no.status)
	}
}

// knows reports whether credentials of the scheme Basic are those of a user that may
// use the proxy.
func (p *Proxy) knows(credentials string) bool {
	return p.cfg.Logins == nil || p.cfg.Logins.Admit(loginOf(credentials))
}

// unknownUser is the refusal of credentials.
func unknownUser(credentials string) *refusal {
	if user := userOf(credentials); user != "" {
		return &refusal{status: http.StatusProxyAuthRequired, why: fmt.Sprintf("proxy user: got %s, want one of listen.auth with its "+
			"password", excerpt.Quote(user))}
	}
	return &refusal{status: http.StatusProxyAuthRequired, why: "proxy user: got none, want one of listen.auth with its password, with " +
		"the scheme Basic", usual: credentials == ""}
}

// move gives a connection to another proxy, with the request that was read.
func (p *Proxy) move(w replier, r *inbound, cl *client, to *branch) *refusal {
	if r.h2 != nil {
		return &refusal{status: http.StatusForbidden, why: "proxy user: got that of another export, want HTTP/1.1 for it: a " +
			"connection of HTTP/2 stays with the export that it began with"}
	}
	carrier := cl.base()
	if carrier == nil {
		return &refusal{status: http.StatusForbidden, why: "proxy user: got that of another export, want a connection of its own"}
	}
	var head bytes.Buffer
	b := bufio.NewWriter(&head)
	h1.WriteRequest(b, &w.(*reply).s.head)
	b.Flush()
	nc, pre, err := unserve(w)
	if err != nil {
		return &refusal{status: http.StatusForbidden, why: fmt.Sprintf("proxy user: got that of another export, want a "+
			"connection of its own: %v", err)}
	}
	p.untrack(carrier)
	if carrier.owns.Load() {
		p.upstream.pool.disown(carrier)
	}
	a := &arrival{Conn: nc, lane: carrier.lane, pre: append(head.Bytes(), pre...), moved: true}
	go func() {
		if !to.deliver(a) {
			p.log.Debug("connection closed: its export has stopped", slog.String("client", cl.addr.String()))
			nc.Close()
		}
	}()
	return nil
}

// arrive takes a connection that was delivered. It returns nil when that is
// served already.
func (p *Proxy) arrive(a *arrival) *frontConn {
	if !a.moved {
		fc := &frontConn{lane: p.newLane(a.tcp), p: p, since: time.Now()}
		if !fc.lane.arrive(a.pre) {
			fc.rest = a.pre
		}
		return fc
	}
	c := p.newConn(a.Conn, a.lane, a.pre)
	if p.track(c) {
		go p.admit(c)
	}
	return nil
}
