package driver

import (
	"context"
	"fmt"
	"iter"
	"net/netip"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/driver/handshake"
	"starproxy/driver/rpc"
)

// handshakes are the methods about the TLS handshakes of devices.
type handshakes struct {
	log *handshake.Log
}

// rows are for the table of methods.
func (s *handshakes) rows() []rpc.Row {
	some := func(more ...rpc.Param) []rpc.Param {
		return append([]rpc.Param{rpc.With("host", ""), rpc.With("client", "")}, more...)
	}
	return []rpc.Row{
		rpc.New("tls_report", "Sum up as JSON the last TLS handshakes of devices by host and client: how many were trusted or rejected, "+
			"and why.", s.report, some()...),
		rpc.New("list_handshakes", "List the TLS handshakes that the proxy remembers as JSON, the newest of those after a number.", s.list,
			some(rpc.With("after", 0), rpc.With("limit", 200))...),
		rpc.New("watch_handshakes", "Stream TLS handshakes as they end: those remembered after a number, then new ones.", s.watch,
			some(rpc.With("after", 0))...),
		rpc.New("clear_handshakes", "Forget the TLS handshakes that have ended.", s.clear),
	}
}

// chosen is the part of the handshakes that a caller asks for.
type chosen struct {
	hosts  exchange.HostPattern // empty for all
	client netip.Addr           // invalid for all
}

// choose reads the arguments of a method.
func choose(method, host, client string) (c chosen, err error) {
	if host != "" {
		if c.hosts, err = parsePattern(method, host); err != nil {
			return c, err
		}
	}
	if client != "" {
		if c.client, err = netip.ParseAddr(client); err != nil {
			return c, &rpc.Refusal{Code: rpc.InvalidArgument, About: "client",
				Text: method + ": client: got " + excerpt.Quote(client) + ", want an IP address"}
		}
	}
	return c, nil
}

// of returns the handshakes of a list that are chosen.
func (c chosen) of(list []*handshake.Handshake) (out []*handshake.Handshake) {
	for _, h := range list {
		if h.Falls(c.hosts, c.client) {
			out = append(out, h)
		}
	}
	return out
}

// tlsReport is the JSON of tls_report.
type tlsReport struct {
	// Handshakes is the number of those that the report is about, Last the number of
	// the one that ended last: a cursor for watch_handshakes.
	Handshakes int             `json:"handshakes"`
	Last       uint64          `json:"last"`
	Hosts      []handshake.Row `json:"hosts"`
}

func (s *handshakes) report(_ context.Context, host, client string) (*tlsReport, error) {
	c, err := choose("tls_report", host, client)
	if err != nil {
		return nil, err
	}
	last, list := s.log.Last(), s.log.List(0)
	of := c.of(list)
	return &tlsReport{Handshakes: len(of), Last: last, Hosts: handshake.Report(of, handshake.TrustOf(list))}, nil
}

func (s *handshakes) list(_ context.Context, host, client string, after, limit int) ([]*handshake.View, error) {
	c, err := choose("list_handshakes", host, client)
	if err != nil {
		return nil, err
	}
	if limit < 1 {
		return nil, &rpc.Refusal{Code: rpc.InvalidArgument, About: "limit",
			Text: fmt.Sprintf("list_handshakes: limit: got %d, want at least 1", limit)}
	}
	trust := handshake.TrustOf(s.log.List(0))
	list := c.of(s.log.List(uint64(max(after, 0))))
	list = list[max(0, len(list)-limit):]
	views := make([]*handshake.View, len(list))
	for i, h := range list {
		views[i] = h.View(trust)
	}
	return views, nil
}

func (s *handshakes) watch(ctx context.Context, host, client string, after int) (iter.Seq2[any, error], error) {
	c, err := choose("watch_handshakes", host, client)
	if err != nil {
		return nil, err
	}
	return func(yield func(any, error) bool) {
		trust := handshake.TrustOf(s.log.List(0))
		seen := 0
		for h := range s.log.Follow(ctx, uint64(max(after, 0))) {
			if seen++; seen%handshake.Kept == 0 { // so that it does not grow for ever
				trust = handshake.TrustOf(s.log.List(0))
			}
			trust.Add(h)
			if h.Falls(c.hosts, c.client) && !yield(h.View(trust), nil) {
				return
			}
		}
	}, nil
}

func (s *handshakes) clear(context.Context) (string, error) {
	return fmt.Sprintf("TLS handshakes forgotten: %d", s.log.Clear()), nil
}
