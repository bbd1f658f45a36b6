package proxy

import (
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// refuse answers a request that is no exchange with 400 and the reason.
func (p *Proxy) refuse(w replier, cl *client, r *inbound, why string) {
	p.refuseAs(w, cl, r, http.StatusBadRequest, why)
}

// refuseAs answers a request that is no exchange with a status and the reason.
func (p *Proxy) refuseAs(w replier, cl *client, r *inbound, status int, why string) {
	p.logRefused(cl, why)
	p.refused(w, cl, r, status, why)
	if r.h2 != nil {
		sayWhy(w, why, status)
		return
	}
	sayWhy(w, why, status, "Connection", "close")
}

// logRefused logs why a request is refused.
func (p *Proxy) logRefused(cl *client, why string) {
	p.log.Warn("request refused", slog.String("client", cl.addr.String()), slog.String("error", p.told(why)))
}

// sayWhy answers with a line of text, and with fields of the header by names and
// values. The length is told: old clients need it to find the end of the answer.
func sayWhy(w replier, why string, status int, fields ...string) {
	fields = append(fields, "Content-Type", "text/plain; charset=utf-8")
	w.begin(head{status: status, header: exchange.HeaderOf(fields...), length: int64(len(why) + 1)})
	io.WriteString(w, why+"\n")
}

// refused journals a request that was read and is not served.
func (p *Proxy) refused(w replier, cl *client, r *inbound, status int, why string) {
	e := capture.Entry{Method: r.method, Target: r.target, Proto: r.proto, Authority: r.authority, Status: status, Error: why}
	if out, ok := w.(*reply); ok {
		p.journalRefused(cl, &e, out.s.came())
		return
	}
	keepHead(&e, r.header)
	p.journalRefused(cl, &e, "")
}

// keepHead adds the header of a refused request to its entry, up to the bound of
// what is kept.
func keepHead(e *capture.Entry, h exchange.Header) {
	size := len(e.Method) + len(e.Target) + len(e.Authority)
	for _, f := range h {
		if size += len(f.Name) + len(f.Value); size > capture.MaxRefused {
			break
		}
		e.RequestHeader.Add(f.Name, f.Value)
	}
	hideCredentials(e.RequestHeader)
}

// journalRefused journals a refusal with the bytes that came, without a passphrase
// and the secrets of the web UI. Came may be cut off: then the entry has the full
// size already.
func (p *Proxy) journalRefused(cl *client, e *capture.Entry, came string) {
	p.cfg.Counters.refusedRequests.Add(1)
	if p.cfg.Journal == nil {
		return
	}
	e.Kind, e.Origin, e.Start = capture.Refused, exchange.FromProxy, time.Now()
	e.Client, e.Conn, e.ClientTLS, e.SNI, e.Notes = cl.addr, cl.id, cl.agreed, cl.sni, metNotes(cl.met, cl.network())
	e.Way = cl.in.Name()
	for _, s := range []*string{&e.Method, &e.Target, &e.Authority, &e.Error} {
		*s = p.told((*s)[:min(len(*s), capture.MaxRefused)])
	}
	e.Host, e.Port = cl.host, cl.port
	if e.Host == "" && e.Authority != "" {
		e.Host, e.Port = exchange.SplitAuthority(e.Authority, exchange.DefaultPort("http"))
	}
	if e.Scheme = "http"; cl.tls {
		e.Scheme = "https"
	}
	for i := range e.RequestHeader {
		f := &e.RequestHeader[i]
		f.Name, f.Value = p.cfg.Hidden.text(f.Name), p.cfg.Hidden.text(f.Value)
	}
	size := max(len(came), int(e.RequestBody.Size))
	e.RequestBody = capture.Blob{Size: int64(size), Truncated: size > capture.MaxRefused}
	came = p.told(came[:min(len(came), capture.MaxRefused)])
	if e.RequestBody.Truncated {
		came = p.cfg.Hidden.cutOff(came)
	}
	e.RequestBody.Data = []byte(came)
	p.journal(e)
}

// told returns a text with parts of a request, without a passphrase and without the
// secrets of the web UI.
func (p *Proxy) told(s string) string { return p.cfg.Hidden.text(withoutCredentials(s)) }

// proxyCredentials matches a Proxy-Authorization line and the lines that continue it.
// The line need not be well-formed: that may be the reason of the refusal.
var proxyCredentials = regexp.MustCompile(`(?i)(proxy-authorization(?:[\t\v\f\r :]|\n[ \t])*(?:[a-z0-9_-]+[ \t]+)?)` +
	`[^\s:](?:[^\r\n]|\r+[^\r\n])*(?:\r*\n[ \t](?:[^\r\n]|\r+[^\r\n])*)*`)

// withoutCredentials returns the text of a header without the credentials of
// the proxy's user. The scheme stays.
func withoutCredentials(head string) string {
	return proxyCredentials.ReplaceAllString(head, "${1}"+hidden)
}
