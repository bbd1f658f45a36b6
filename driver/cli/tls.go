package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/tlsfault"
)

// tlsCommands is the grammar of "tls".
type tlsCommands struct {
	Set    tlsSetCmd    `cmd:"" help:"Let TLS handshakes for a host meet a fault."`
	List   tlsListCmd   `cmd:"" help:"List the TLS faults that are set."`
	Clear  tlsClearCmd  `cmd:"" help:"Remove TLS faults."`
	Audit  tlsAuditCmd  `cmd:"" help:"Find the faulty certificates that a device accepts."`
	Report tlsReportCmd `cmd:"" help:"Tell which devices trust the proxy for which hosts."`
	Watch  tlsWatchCmd  `cmd:"" help:"Print each TLS handshake of devices as it ends."`
}

type tlsSetCmd struct {
	Host   string   `arg:"" help:"Name or address of the host, *.domain, or * for every host."`
	Kind   string   `completion:"tlsfaults" arg:"" help:"Kind of the fault, see below."`
	Params []string `arg:"" optional:"" name:"param=value" help:"Parameters of the fault, for instance version=1.0."`
	Times  *int     `placeholder:"N" help:"Only the next N handshakes (default: all)."`
}

// Help lists the kinds.
func (tlsSetCmd) Help() string {
	var b strings.Builder
	b.WriteString("The next handshakes of a device with the host meet the fault. The closest pattern counts: a host before *.domain " +
		"before *. Each such handshake is in the captures, with what the device made of it.\n\nKinds:\n\n")
	for _, i := range tlsfault.Kinds() {
		params := ""
		if len(i.Params) > 0 {
			params = " (" + strings.Join(i.Params, ", ") + ")"
		}
		fmt.Fprintf(&b, "    %s%s\n        %s\n", i.Kind, params, i.Doc)
	}
	b.WriteString(`
Examples:

    j proxy tls set api.example.com expired
    j proxy tls set '*.example.com' unknown_ca --times 2
    j proxy tls set '*' max_version version=1.0
    j proxy tls set api.example.com alert alert=unrecognized_name
    j proxy tls set api.example.com abort after=certificate how=fin`)
	return b.String()
}

// Run sets the fault.
func (c *tlsSetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	fault, err := c.fault()
	if err != nil {
		return err
	}
	return p.say(ctx, sys, "set_tls_fault", c.Host, fault)
}

// fault returns the fault as the method takes it.
func (c *tlsSetCmd) fault() (string, error) {
	if c.Times == nil && len(c.Params) == 0 {
		return c.Kind, nil
	}
	keys := map[string]any{"kind": c.Kind}
	if c.Times != nil {
		keys["times"] = *c.Times
	}
	for _, param := range c.Params {
		key, value, ok := strings.Cut(param, "=")
		if _, twice := keys[key]; !ok || key == "" || twice {
			return "", usagef("<param=value>: got %q, want the name of another parameter, = and its value (see j proxy tls set --help)",
				param)
		}
		keys[key] = value
		if json.Valid([]byte(value)) && strings.Trim(value, "-.0123456789") == "" {
			keys[key] = json.Number(value)
		}
	}
	b, err := jsonvalue.Append(nil, keys)
	return string(b), err
}

type tlsListCmd struct {
	output
}

// Help explains a line.
func (tlsListCmd) Help() string {
	return `One line for each fault: the hosts, the fault, how many handshakes have met it, and where it was set.

    *.example.com  expired  3 met
    api.example.com  alert unrecognized_name  2 of 2 met  (scenario, line 4)`
}

// Run lists the faults.
func (c *tlsListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if c.json() {
		return p.say(ctx, sys, "list_tls_faults")
	}
	var list []tlsfault.Row
	if err := p.document(ctx, &list, "list_tls_faults"); err != nil {
		return err
	}
	if len(list) == 0 {
		sys.out("No TLS faults are set.")
	}
	for _, r := range list {
		sys.out("  %s", tlsFaultLine(r))
	}
	return nil
}

// tlsFaultLine describes a fault that is set.
func tlsFaultLine(r tlsfault.Row) string {
	met := fmt.Sprint(r.Met)
	if r.Times > 0 {
		met += fmt.Sprint(" of ", r.Times)
	}
	line := fmt.Sprintf("%s  %s  %s met", r.Host, r.Name(), met)
	switch {
	case r.From == tlsfault.FromScenario && r.Line > 0:
		line += fmt.Sprintf("  (scenario, line %d)", r.Line)
	case r.From == tlsfault.FromScenario:
		line += "  (scenario)"
	}
	return line
}

type tlsClearCmd struct {
	Host string `arg:"" optional:"" help:"The hosts of the fault, as they were set (default: all faults)."`
}

// Help tells of scenarios.
func (tlsClearCmd) Help() string {
	return `The faults of a scenario are removed, too, until it is loaded again, or until "j proxy mock reset".`
}

// Run removes the faults.
func (c *tlsClearCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "clear_tls_faults", c.Host)
}
