package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"
)

// closeIdle closes connections that have waited too long. A connection counts
// as waiting until a request's header is whole.
func (p *Proxy) closeIdle(ctx context.Context) {
	every := min(p.cfg.Idle, p.cfg.TunnelIdle) / 4
	tick := time.NewTicker(min(max(every, 10*time.Millisecond), idleCheck))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.sweep(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// ticks returns t in nanoseconds of the monotonic clock, which does not jump
// when the clock is set; more than 0 for the times after New.
func (p *Proxy) ticks(t time.Time) int64 { return int64(t.Sub(p.began)) }

// sweep closes the connections that have waited for too long at the given time.
func (p *Proxy) sweep(now time.Time) {
	var late, still []interface {
		cut() error
		RemoteAddr() net.Addr
	}
	p.mu.Lock()
	for k := range p.conns {
		switch c := k.(type) {
		case *frontConn:
			if now.Sub(c.since) > p.cfg.Idle {
				late = append(late, c)
			}
		case *conn:
			if t := c.idleSince.Load(); t != 0 && t < p.ticks(now.Add(-p.cfg.Idle)) {
				late = append(late, c)
			} else if c.moved.Swap(false) || c.still.IsZero() {
				c.still = now
			} else if now.Sub(c.still) > p.cfg.TunnelIdle {
				still = append(still, c)
			}
		}
	}
	p.mu.Unlock()
	for _, c := range late {
		p.log.Debug("connection closed: no whole request came", slog.String("client", c.RemoteAddr().String()),
			slog.Duration("within", p.cfg.Idle))
		c.cut()
	}
	for _, c := range still {
		p.log.Info("connection closed: no byte passed", slog.String("client", c.RemoteAddr().String()),
			slog.Duration("within", p.cfg.TunnelIdle))
		c.cut()
	}
}

// cut closes a connection without waiting for its peer.
func cut(c io.Closer) {
	if c, ok := c.(interface{ cut() error }); ok {
		c.cut()
		return
	}
	c.Close()
}
