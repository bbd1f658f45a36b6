package proxy

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// On a connection that a device keeps, each request may name another user. So
// each is judged as the first was, and the connection moves with the request to
// the proxy that it is meant for. What a tunnel carries belongs to whom the
// CONNECT belonged to.

// admits reports whether a request is this proxy's. When it is not, it is
// answered, or another proxy has it.
func (p *Proxy) admits(w http.ResponseWriter, r *http.Request, cl *client) bool {
	if p.branch == nil || cl.target != "" {
		return true
	}
	to, no := p.branch.trunk.seating.Load().judge(plainAddr(cl.addr).Addr(), r.Header.Get("Proxy-Authorization"))
	switch {
	case to == p.branch:
		return true
	case no == nil:
		if no = p.move(w, r, cl, to); no == nil {
			return false
		}
	}
	no.log(p.log, cl.addr.String())
	if no.status == http.StatusProxyAuthRequired {
		w.Header().Set("Proxy-Authenticate", challenge)
	}
	http.Error(w, no.why, no.status)
	return false
}

// move gives a connection to another proxy, with the request that was read.
func (p *Proxy) move(w http.ResponseWriter, r *http.Request, cl *client, to *branch) *refusal {
	if r.ProtoMajor != 1 {
		return &refusal{status: http.StatusForbidden, why: "proxy user: got that of another export, want HTTP/1.1 for it: a connection of HTTP/2 stays with the export that it began with"}
	}
	carrier := cl.base()
	if carrier == nil {
		return &refusal{status: http.StatusForbidden, why: "proxy user: got that of another export, want a connection of its own"}
	}
	head := headOf(r, cl)
	nc, pre, err := unserve(w)
	if err != nil {
		return &refusal{status: http.StatusForbidden, why: fmt.Sprintf("proxy user: got that of another export, want a connection of its own: %v", err)}
	}
	p.untrack(carrier)
	if carrier.owns.Load() {
		p.upstream.pool.disown(carrier)
	}
	a := &arrival{Conn: nc, tcp: carrier.tcp, pre: append(head, pre...), moved: true}
	go func() {
		if !to.deliver(a) {
			p.log.Debug("connection closed: its export has stopped", slog.String("client", cl.addr.String()))
			nc.Close()
		}
	}()
	return nil
}

// headOf is the header block of a request of HTTP/1, as far as net/http tells,
// with the names in the order and spelling in which they came.
func headOf(r *http.Request, cl *client) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", r.Method, r.RequestURI, r.Proto)
	var odd map[string]string
	var order []string
	if cl.note != nil {
		odd, order = cl.note.names()
	}
	h := r.Header.Clone()
	if r.Host != "" {
		h.Set("Host", r.Host)
	}
	if len(r.TransferEncoding) > 0 {
		h["Transfer-Encoding"] = r.TransferEncoding
	}
	if len(r.Trailer) > 0 {
		h.Set("Trailer", strings.Join(slices.Sorted(maps.Keys(r.Trailer)), ", "))
	}
	rest := slices.DeleteFunc(slices.Sorted(maps.Keys(h)), func(k string) bool { return slices.Contains(order, k) })
	for i, k := range slices.Concat(order, rest) {
		if slices.Contains(order[:min(i, len(order))], k) {
			continue // its lines are together
		}
		name := k
		if sent, ok := odd[k]; ok {
			name = sent
		}
		for _, v := range h[k] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// arrive takes a connection that was delivered. It returns nil when that is
// served already.
func (p *Proxy) arrive(a *arrival) *frontConn {
	if !a.moved {
		return &frontConn{TCPConn: a.tcp, p: p, rest: a.pre, since: time.Now()}
	}
	c := p.newConn(a.Conn, a.tcp, a.pre)
	if p.track(c) {
		go p.admit(c)
	}
	return nil
}
