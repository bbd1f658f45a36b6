// Package view shows captured traffic to people: exchanges in rows and in detail, and
// the messages of sockets. People can mark an exchange and send its request again.
//
// A Service is for any number of goroutines.
//
// driver makes one and puts its rows into the table of methods. It also asks it
// for filters and marks when it lists and exports captures.
package view

import (
	"net/netip"

	"starproxy/builtins/follow"
	"starproxy/driver/capture"
	"starproxy/driver/handshake"
	"starproxy/driver/mock"
	"starproxy/driver/render"
	"starproxy/driver/rpc"
)

// Options are what a Service needs. Protos, Login and Devices may be left out, all others are
// required.
type Options struct {
	// Journal has the captured exchanges, Sockets what their sockets carry.
	Journal *capture.Journal
	Sockets *capture.Sockets
	// Handshakes are those of the devices with TLS.
	Handshakes *handshake.Log
	// Table has the endpoints in force.
	Table *mock.Table
	// Mocks reports whether the endpoints answer requests. While the proxy is
	// stopped it reports whether they would.
	Mocks func() bool
	// Address returns where the proxy listens, as "host:port" that can be
	// connected to from this machine. It reports false while the proxy is stopped.
	Address func() (address string, ok bool)
	// Protos names the messages of Protocol Buffers; nil for none.
	Protos *render.Protos
	// Login is the name:password that the proxy asks for; empty for none.
	Login string
	// Devices are the names of devices by their address, to begin with.
	Devices map[netip.Addr]string
}

// Service shows the captures of one proxy.
type Service struct {
	Options
	marks    *marks
	removals *follow.Log[removal]
	devices  *devices
	// misses has the nearest mocks of a session that is over, by the number of the
	// request; nil for a session that goes on.
	misses map[uint64][]miss
}

// New makes a Service without marks.
func New(o Options) *Service {
	return &Service{Options: o, marks: newMarks(), removals: follow.NewLog[removal](maxRemovals), devices: newDevices(o.Devices)}
}

// Rows returns the methods that callers of the driver get.
func (s *Service) Rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("list_captures", "List captured exchanges in rows, as JSON, the newest or those before a number.", s.list,
			rpc.With("filter_expr", ""), rpc.With("highlight_expr", ""), rpc.With("before", 0), rpc.With("limit", 500),
			rpc.With("count", false), rpc.With("live", false)),
		rpc.New("watch_captures", "Stream captured exchanges in rows: those kept after a number, then new ones and news of old "+
			"ones; with live, also those in flight.", s.watch,
			rpc.With("filter_expr", ""), rpc.With("highlight_expr", ""), rpc.With("after", 0), rpc.With("since", ""),
			rpc.With("live", false)),
		rpc.New("cut_exchange", "Reset an exchange in flight on both sides, by its number live.", s.cut, rpc.Need("live")),
		rpc.New("get_capture", "Tell all of a captured exchange but its bodies, as JSON. The number of one in flight is -live.",
			s.detail, rpc.With("seq", 0)),
		rpc.New("get_capture_body", "Give a piece of a captured body with its content encoding undone, as JSON.", s.body,
			rpc.With("seq", 0), rpc.With("side", "response"), rpc.With("offset", 0), rpc.With("limit", 65536)),
		rpc.New("render_body", "Lay a captured body out, or a message of a WebSocket: its trees, texts and parts, as JSON.", s.renderBody,
			rpc.With("seq", 0), rpc.With("side", "response"), rpc.With("message", 0)),
		rpc.New("copy_request", "Give a captured request as text that sends it again: curl, httpie, python or raw, through a proxy if "+
			"its address is given.", s.copyRequest, rpc.With("seq", 0), rpc.With("form", "curl"), rpc.With("proxy", "")),
		rpc.New("list_messages", "List the messages of a captured WebSocket after a number, or before one, as JSON.", s.listMessages,
			rpc.With("seq", 0), rpc.With("after", 0), rpc.With("before", 0), rpc.With("limit", 0)),
		rpc.New("watch_messages", "Stream the messages of a captured WebSocket until its end.", s.watchMessages, rpc.With("seq", 0),
			rpc.With("after", 0)),
		rpc.New("annotate_capture", "Give a captured exchange a mark (a colour) and a comment.", s.annotate,
			rpc.With("seq", 0), rpc.With("mark", ""), rpc.With("comment", "")),
		rpc.New("delete_captures", "Take captured exchanges out of all lists, and tell as JSON how many; seqs is a JSON array of "+
			"numbers, and of pairs of the first and the last. They stay in memory until they would leave it anyway.",
			s.deleteCaptures, rpc.Need("seqs")),
		rpc.New("restore_captures", "Bring deleted exchanges back that are still in memory, and tell as JSON how many.",
			s.restoreCaptures, rpc.Need("seqs")),
		rpc.New("count_captures", "Count the captured exchanges by host and by device, and those that failed, as JSON.", s.count),
		rpc.New("name_device", "Give the device with an address a name, which lists show and the filter ~src finds; an empty one "+
			"takes it away.", s.nameDevice, rpc.Need("address"), rpc.With("name", "")),
		rpc.New("check_filter", "Tell as JSON whether a filter expression is right, and where it is not.", s.checkFilter,
			rpc.Need("filter_expr")),
		rpc.New("list_filter_operators", "List the operators of filter expressions, as JSON.", s.listFilterOperators),
		rpc.New("resend_request", "Send a request, given as JSON, through the proxy.", s.resend, rpc.Need("request_json")),
	}
}

// Entry returns the captured exchange with the number seq, or the exchange in flight whose
// number in flight is -seq. Its refusal names the method that was called.
func (s *Service) Entry(method string, seq int) (*capture.Entry, error) {
	if seq < 0 {
		if e := s.live(uint64(-seq)); e != nil {
			return e, nil
		}
		return nil, rpc.Refuse(rpc.NotFound, "%s: no exchange %d is in flight", method, -seq)
	}
	if seq > 0 {
		if e, ok := s.Journal.Get(uint64(seq)); ok {
			return e, nil
		}
	}
	return nil, rpc.Refuse(rpc.NotFound, "%s: no captured request %d: it was cleared, or has left the budget", method, seq)
}
