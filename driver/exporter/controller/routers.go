package controller

import (
	"errors"
	"sync"

	"google.golang.org/grpc"
)

// routerStreams is how many tunnels share one connection to a router: what
// stands before a router often allows a hundred.
const routerStreams = 64

// routers are the connections to routers, by endpoint, for the length of a
// lease.
type routers struct {
	dialing func() (*dialing, error) // of now: the exporter file may change

	mu     sync.Mutex
	conns  map[string][]*routerConn
	closed bool
}

type routerConn struct {
	*grpc.ClientConn
	streams int // tunnels on it
}

func newRouters(d func() (*dialing, error)) *routers {
	return &routers{dialing: d, conns: map[string][]*routerConn{}}
}

// acquire returns a connection with room for a tunnel, which is released by a
// call of release.
func (r *routers) acquire(endpoint string) (conn *routerConn, release func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, errors.New("the lease has ended")
	}
	for _, c := range r.conns[endpoint] {
		if c.streams < routerStreams {
			conn = c
			break
		}
	}
	if conn == nil {
		d, err := r.dialing()
		if err != nil {
			return nil, nil, err
		}
		made, err := d.open(endpoint)
		if err != nil {
			return nil, nil, err
		}
		conn = &routerConn{ClientConn: made}
		r.conns[endpoint] = append(r.conns[endpoint], conn)
	}
	conn.streams++
	return conn, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		conn.streams--
	}, nil
}

// close ends all connections.
func (r *routers) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, list := range r.conns {
		for _, c := range list {
			c.Close()
		}
	}
	clear(r.conns)
}
