package driver

import (
	"context"
	"fmt"

	"starproxy/builtins/exchange"
	"starproxy/driver/rpc"
	"starproxy/driver/tlsfault"
)

// tlsFaults are the methods about the faults that devices meet in TLS handshakes.
type tlsFaults struct {
	table *tlsfault.Table
	life  *lifecycle
}

// rows are for the table of methods.
func (s *tlsFaults) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("set_tls_fault", "Let TLS handshakes for a host (a name or an address, *.domain or *) meet a fault: its kind, or a "+
			"JSON object of kind, times and parameters.", s.set,
			rpc.Need("host"), rpc.Need("fault_json")),
		rpc.New("list_tls_faults", "List the TLS faults that are set as JSON, with how many handshakes have met them.", s.list),
		rpc.New("clear_tls_faults", "Remove the TLS faults of a host pattern, or all, also those of the scenario.", s.clear,
			rpc.With("host", "")),
		rpc.New("tls_audit", "Let a device meet one TLS fault after the other on its next connections to a host, and stream which it "+
			"refuses and which it accepts; kinds are separated by commas, timeout is in seconds.", s.audit,
			rpc.Need("host"), rpc.With("kinds", ""), rpc.With("timeout", auditTime.Seconds())),
	}
}

func (s *tlsFaults) set(_ context.Context, host, fault string) (string, error) {
	p, err := parsePattern("set_tls_fault", host)
	if err != nil {
		return "", err
	}
	f, err := tlsfault.Parse(fault)
	if err != nil {
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: "fault_json", Text: "set_tls_fault: " + err.Error()}
	}
	s.table.Set(p, f)
	often := "every handshake"
	switch {
	case f.Times == 1:
		often = "the next handshake"
	case f.Times > 1:
		often = fmt.Sprintf("the next %d handshakes", f.Times)
	}
	return fmt.Sprintf("TLS fault set: %s for %s (%s)", f.Name(), p, often), nil
}

// parsePattern reads the argument host of a method.
func parsePattern(method, host string) (exchange.HostPattern, error) {
	p, err := exchange.ParseHostPattern(host)
	if err != nil {
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: "host", Text: method + ": " + err.Error()}
	}
	return p, nil
}

func (s *tlsFaults) list(context.Context) ([]tlsfault.Row, error) { return s.table.List(), nil }

func (s *tlsFaults) clear(_ context.Context, host string) (string, error) {
	var p exchange.HostPattern
	if host != "" {
		var err error
		if p, err = parsePattern("clear_tls_faults", host); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("TLS faults removed: %d", s.table.Clear(p)), nil
}

// Reset removes what methods have set.
func (s *tlsFaults) Reset() { s.table.Reset() }
