package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

type doctorCmd struct {
	Client string        `placeholder:"IP" help:"Only the device with this address; it is told of also when nothing comes from it."`
	For    time.Duration `name:"for" default:"1m" placeholder:"TIME" help:"How long the devices are watched."`
	output
}

// Help explains the report.
func (doctorCmd) Help() string {
	return `Let the device do what it does, and wait. For each device the report tells by which way it reaches the proxy, whether it trusts the CA or pins hosts, whether it goes around the proxy, whether its clock is wrong, and whether it speaks QUIC. A line that begins with "!" tells what is wrong, and the line below it what to do.

    192.0.2.7
      reaches the proxy by regular: 12 requests, 3 TLS handshakes
    ! does not accept our certificate for api.example.com: the device does not trust the CA
      → install the CA in the device: http://mitm.it through the proxy, or j proxy cert

The exit code is 1 when something is wrong.

Examples:

    j proxy doctor
    j proxy doctor --client 192.0.2.7 --for 5m`
}

// checkedDevice is a device in the answer of doctor.
type checkedDevice struct {
	Client   string `json:"client"`
	Findings []struct {
		OK     bool   `json:"ok"`
		Text   string `json:"text"`
		Advice string `json:"advice"`
	} `json:"findings"`
}

// Run watches, and prints the findings.
func (c *doctorCmd) Run(ctx context.Context, sys *System, p proxy) error {
	fmt.Fprintf(sys.Stderr, "Watching the devices for %s\n", c.For)
	var raw json.RawMessage
	if err := p.document(ctx, &raw, "doctor", c.Client, c.For.Seconds()); err != nil {
		return err
	}
	var r struct {
		Devices []checkedDevice `json:"devices"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return err
	}
	var out strings.Builder
	wrong := len(r.Devices) == 0
	if wrong {
		out.WriteString("No device has reached the proxy. \"j proxy status\" tells its address; docs/ways-in.md tells how a device " +
			"gets to it.\n")
	}
	for _, d := range r.Devices {
		wrong = d.print(&out) || wrong
	}
	if c.json() {
		out.Reset()
		fmt.Fprintf(&out, "%s\n", raw)
	}
	if _, err := fmt.Fprint(sys.Stdout, out.String()); err != nil {
		return err
	}
	if wrong {
		return exitCode(1)
	}
	return nil
}

// print writes the findings about a device and reports whether something is wrong.
func (d *checkedDevice) print(out *strings.Builder) (wrong bool) {
	fmt.Fprintln(out, d.Client)
	for _, f := range d.Findings {
		mark := " "
		if !f.OK {
			mark, wrong = "!", true
		}
		fmt.Fprintf(out, "%s %s\n", mark, f.Text)
		if f.Advice != "" {
			fmt.Fprintf(out, "  → %s\n", f.Advice)
		}
	}
	return wrong
}
