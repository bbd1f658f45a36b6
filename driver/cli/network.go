package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"starproxy/driver/network"
)

// networkCommands is the grammar of "network".
type networkCommands struct {
	Set   networkSetCmd   `cmd:"" help:"Put devices on a slow, late or broken network."`
	Show  networkShowCmd  `cmd:"" help:"List the network profiles that are set."`
	Clear networkClearCmd `cmd:"" help:"Remove network profiles."`
}

// networkKey are the flags that say for which connections a profile is.
type networkKey struct {
	Host   string `placeholder:"HOST" help:"Only for this host: its name or address, or *.domain."`
	Client string `placeholder:"ADDR" help:"Only for this device: its address, or a range such as 10.0.0.0/24."`
}

type networkSetCmd struct {
	Profile string `completion:"networks" arg:"" optional:"" help:"Name of a profile, see below."`
	networkKey
	Down    string `placeholder:"RATE" help:"Rate towards the device, such as 240kbit or 1.6Mbit."`
	Up      string `placeholder:"RATE" help:"Rate from the device."`
	Latency string `placeholder:"TIME" help:"Time of a round trip, such as 150ms."`
	Jitter  string `placeholder:"TIME" help:"How much longer or shorter round trips take, at most."`
	Loss    string `placeholder:"PERCENT" help:"Share of segments that are lost; devices see stalls and resets."`
	Outage  string `placeholder:"EVERY/FOR" help:"Regular times in which nothing passes, such as 60s/10s."`
}

// Help lists the profiles.
func (networkSetCmd) Help() string {
	var b strings.Builder
	b.WriteString("Connections that are open change at once. Flags come in place of the profile's values. The connections of a device " +
		"share its link. Profiles:\n\n")
	for _, p := range network.Presets() {
		fmt.Fprintf(&b, "    %-9s  %s\n", p.Name, p.Values())
	}
	b.WriteString(`
Examples:

    j proxy network set edge
    j proxy network set slow-3g --host '*.example.com' --loss 2
    j proxy network set --down 240kbit --up 60kbit --latency 150ms
    j proxy network set offline --client 192.168.1.7`)
	return b.String()
}

// Run sets the profile.
func (c *networkSetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	profile, err := c.profile()
	if err != nil {
		return err
	}
	return p.say(ctx, sys, "set_network", profile, c.Host, c.Client)
}

// profile returns the profile as the method takes it.
func (c *networkSetCmd) profile() (string, error) {
	keys := map[string]any{}
	for key, value := range map[string]string{"down": c.Down, "up": c.Up, "latency": c.Latency, "jitter": c.Jitter, "loss": c.Loss} {
		if value != "" {
			keys[key] = value
		}
	}
	if c.Outage != "" {
		every, lasts, ok := strings.Cut(c.Outage, "/")
		if !ok {
			return "", usagef("--outage: got %q, want two times such as 60s/10s", c.Outage)
		}
		keys["outage"] = map[string]string{"every": every, "for": lasts}
	}
	switch {
	case len(keys) == 0 && c.Profile == "":
		return "", usagef("got neither the name of a profile nor a value, want some (see j proxy network set --help)")
	case len(keys) == 0:
		return c.Profile, nil
	case c.Profile != "":
		keys["profile"] = c.Profile
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(keys); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

type networkShowCmd struct {
	output
}

// Help explains a line.
func (networkShowCmd) Help() string {
	return `One line for each profile, the closest first: whose connections it is for, its name or values, and where it was set.

    host *.example.com  slow-3g
    all connections  down 240kbit, latency 150ms  (scenario, line 4)`
}

// Run lists the profiles.
func (c *networkShowCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if c.json() {
		return p.say(ctx, sys, "show_network")
	}
	var list []networkRow
	if err := p.document(ctx, &list, "show_network"); err != nil {
		return err
	}
	if len(list) == 0 {
		sys.out("No network profiles are set.")
	}
	for _, r := range list {
		sys.out("  %s", r.line())
	}
	return nil
}

// networkRow is a profile that is set, as the exporter tells it.
type networkRow struct {
	Host   string `json:"host"`
	Client string `json:"client"`
	Title  string `json:"title"`
	From   string `json:"from"`
	Line   int    `json:"line"`
}

// line describes a profile that is set.
func (r *networkRow) line() string {
	var parts []string
	if r.Host != "" {
		parts = append(parts, "host "+r.Host)
	}
	if r.Client != "" {
		parts = append(parts, "client "+r.Client)
	}
	if len(parts) == 0 {
		parts = []string{"all connections"}
	}
	line := strings.Join(parts, ", ") + "  " + r.Title
	if r.From == network.FromScenario {
		line += fmt.Sprintf("  (scenario, line %d)", r.Line)
	}
	return line
}

type networkClearCmd struct{ networkKey }

// Help tells of scenarios.
func (networkClearCmd) Help() string {
	return `Without flags all profiles are removed. Those of the loaded scenario are, too; "mock reset" brings them back.`
}

// Run removes profiles.
func (c *networkClearCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "clear_network", c.Host, c.Client)
}
