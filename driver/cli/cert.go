package cli

import (
	"context"
	"os"
)

type certCmd struct {
	Output string `arg:"" optional:"" default:"mitmproxy-ca-cert.pem" type:"path" help:"File to write the PEM certificate to (default ${default})."`
}

// Help tells of the danger.
func (certCmd) Help() string {
	return `The device must trust this certificate for HTTPS to be mocked and captured. Install it on devices under test only: whoever holds the exporter's CA key can read their traffic.

Examples:

    j proxy cert
    j proxy cert /tmp/ca.pem && curl --cacert /tmp/ca.pem -x http://127.0.0.1:8080 https://example.com/`
}

// Run writes the certificate.
func (c *certCmd) Run(ctx context.Context, sys *System, p proxy) error {
	pem, err := p.text(ctx, []string{"-----BEGIN"}, "get_ca_cert")
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Output, []byte(pem), 0o644); err != nil {
		return err
	}
	sys.out("CA certificate written to: %s", resolved(c.Output))
	return nil
}
