package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
)

type tlsReportCmd struct {
	Host   string `placeholder:"HOST" help:"Only these hosts: a name or an address, *.domain or *."`
	Client string `placeholder:"IP" help:"Only the device with this address."`
	output
}

// Help explains the columns.
func (tlsReportCmd) Help() string {
	return `One line for each host and device, about the last TLS handshakes. Below a host that was not always trusted is the reason of the last such handshake.

Columns:

    TRUSTED   the device accepted our certificate and sent data
    REJECTED  the device refused, or there was nothing to agree on
    LEFT      the device went away, and neither accepted nor refused as far as can be seen
    NEVER     the device asked for a tunnel and sent no ClientHello
    FAULTS    the handshake met a TLS fault; it does not count in the other columns
    TLS       the versions that were agreed on, or else the newest that were offered

Examples:

    j proxy tls report
    j proxy tls report --host '*.example.com' --json`
}

// tlsReportRow is the part of a row of tls_report that is printed.
type tlsReportRow struct {
	Host         string   `json:"host"`
	Client       string   `json:"client"`
	Trusted      int      `json:"trusted"`
	Rejected     int      `json:"rejected"`
	Left         int      `json:"left"`
	NeverOffered int      `json:"never_offered"`
	Faults       int      `json:"faults"`
	Ended        string   `json:"ended"`
	Reason       string   `json:"reason"`
	Alert        string   `json:"alert"`
	Versions     []string `json:"versions"`
	Offered      []string `json:"offered"`
}

// Run prints the report.
func (c *tlsReportCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if c.json() {
		return p.say(ctx, sys, "tls_report", c.Host, c.Client)
	}
	var report struct {
		Hosts []tlsReportRow `json:"hosts"`
	}
	if err := p.document(ctx, &report, "tls_report", c.Host, c.Client); err != nil {
		return err
	}
	if len(report.Hosts) == 0 {
		sys.out("No device has begun a TLS handshake.")
		return nil
	}
	sys.out("%s", tlsReportTable(report.Hosts))
	return nil
}

// tlsReportTable returns the rows as a table, with the reasons below their rows.
func tlsReportTable(rows []tlsReportRow) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tCLIENT\tTRUSTED\tREJECTED\tLEFT\tNEVER\tFAULTS\tTLS")
	for _, r := range rows {
		versions := r.Versions
		if len(versions) == 0 {
			versions = r.Offered
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", r.Host, r.Client, r.Trusted, r.Rejected, r.Left, r.NeverOffered, r.Faults,
			cmp.Or(strings.Join(versions, ", "), "-"))
	}
	w.Flush() // a bytes.Buffer takes all
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	out := lines[:1:1]
	for i, r := range rows {
		if out = append(out, lines[i+1]); r.Reason != "" {
			alert := ""
			if r.Alert != "" {
				alert = " (" + r.Alert + ")"
			}
			out = append(out, "    "+r.Reason+alert)
		}
	}
	return strings.Join(out, "\n")
}
