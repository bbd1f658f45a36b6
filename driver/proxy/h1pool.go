package proxy

import (
	"sync"
	"time"
)

// h1Pool keeps idle connections, the last used on top.
type h1Pool struct {
	mu    sync.Mutex
	idle  map[h1Key][]*h1Conn
	timer *time.Timer
	shut  bool
}

func (p *h1Pool) get(key h1Key) *h1Conn {
	for {
		p.mu.Lock()
		s := p.idle[key]
		if len(s) == 0 {
			p.mu.Unlock()
			return nil
		}
		c := s[len(s)-1]
		s[len(s)-1] = nil
		p.idle[key] = s[:len(s)-1]
		p.mu.Unlock()
		if time.Since(c.idle) < upstreamIdle && c.quiet() {
			c.reused = true
			return c
		}
		c.Close()
	}
}

func (p *h1Pool) put(c *h1Conn) {
	c.idle = time.Now()
	p.mu.Lock()
	if p.shut || len(p.idle[c.key]) >= maxIdlePerHost || c.br.Buffered() > 0 || c.key.owner != nil && c.key.owner.left.Load() {
		p.mu.Unlock()
		c.Close()
		return
	}
	if p.idle == nil {
		p.idle = map[h1Key][]*h1Conn{}
	}
	p.idle[c.key] = append(p.idle[c.key], c)
	if p.timer == nil {
		p.timer = time.AfterFunc(upstreamIdle, p.sweep)
	}
	p.mu.Unlock()
}

// sweep closes the connections that have been idle for upstreamIdle.
func (p *h1Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	for key, s := range p.idle {
		i := 0
		for i < len(s) && time.Since(s[i].idle) >= upstreamIdle {
			s[i].Close()
			i++
		}
		if s = s[i:]; len(s) == 0 {
			delete(p.idle, key)
		} else {
			p.idle[key] = append([]*h1Conn(nil), s...)
		}
	}
	if len(p.idle) > 0 && !p.shut {
		p.timer = time.AfterFunc(upstreamIdle, p.sweep)
	}
}

func (p *h1Pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, s := range p.idle {
		for _, c := range s {
			c.Close()
		}
	}
	p.idle = nil
}
