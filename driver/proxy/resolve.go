package proxy

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"

	"starproxy/driver/proxy/way"
)

// Bounds of the resolver.
const (
	maxResolving   = 256 // queries that are answered at once; others are dropped
	maxResolverTCP = 64  // connections
	resolverIdle   = 10 * time.Second
)

// resolve answers queries of DNS over UDP and TCP until the proxy ends.
func (p *Proxy) resolve(w *Way) {
	r := p.cfg.Resolver
	if r == nil {
		r = way.NewResolver(way.ResolverConfig{})
	}
	h := &queries{p: p, way: w, resolver: r, busy: make(chan struct{}, maxResolving)}
	for _, s := range []*dns.Server{
		{PacketConn: w.packets, Handler: h},
		{Listener: netutil.LimitListener(w.listener, maxResolverTCP), Handler: h, ReadTimeout: resolverIdle,
			IdleTimeout: func() time.Duration { return resolverIdle }},
	} {
		context.AfterFunc(p.ctx, func() { _ = s.Shutdown() })
		go func() {
			if err := s.ActivateAndServe(); err != nil && p.ctx.Err() == nil && !isClosed(err) {
				p.log.Warn("the resolver has ended", slog.String("way", w.name), slog.Any("error", err))
			}
		}()
	}
}

// queries answers the queries of a way.
type queries struct {
	p        *Proxy
	way      *Way
	resolver *way.Resolver
	busy     chan struct{}
}

// ServeDNS answers one query.
func (h *queries) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	client, local := addrOf(w.RemoteAddr()), addrOf(w.LocalAddr())
	if !h.p.letsAddr(client) && client != local && !(local.IsUnspecified() && isLocal(client)) {
		h.p.cfg.Sightings.sight(SeenTurnedAway, w.RemoteAddr(), h.way, "")
		h.p.log.Warn("query refused", slog.String("client", client.String()), slog.String("way", h.way.name),
			slog.String("error", "client: got an address that listen.allow does not have"))
		w.Close()
		return
	}
	select {
	case h.busy <- struct{}{}:
		defer func() { <-h.busy }()
	default:
		return
	}
	if name := way.Asks(m); name != "" && h.resolver.Answers(name) {
		h.p.cfg.Sightings.sight(SeenQuery, w.RemoteAddr(), h.way, name)
	}
	q := way.Query{Client: zonedAddr(w.RemoteAddr()), Local: zonedAddr(w.LocalAddr()), Own: h.p.cfg.Listeners.Reaches}
	a := h.resolver.Answer(h.p.ctx, m, q)
	if a == nil {
		return
	}
	_, tcp := w.RemoteAddr().(*net.TCPAddr)
	way.Fit(a, m, tcp)
	if err := w.WriteMsg(a); err != nil {
		h.p.log.Debug("query not answered", slog.String("client", client.String()), slog.Any("error", err))
	}
}

// Interface guards.
var _ dns.Handler = (*queries)(nil)
