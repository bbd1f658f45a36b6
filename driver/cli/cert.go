package cli

import (
	"context"
	"crypto/x509"
	"encoding/pem"

	"starproxy/builtins/disk"
	"starproxy/driver/ca"
)

type certCmd struct {
	Output string `arg:"" optional:"" default:"mitmproxy-ca-cert.pem" type:"path" help:"File to write the PEM certificate to (default ${default})."`
}

// Help explains the danger.
func (certCmd) Help() string {
	return `The device must trust this certificate for HTTPS to be mocked and captured. Install it on devices under test only: whoever holds the exporter's CA key can read their traffic.

Examples:

    j proxy cert
    j proxy cert /tmp/ca.pem && curl --cacert /tmp/ca.pem -x http://127.0.0.1:8080 https://example.com/`
}

// Run writes the certificate.
func (c *certCmd) Run(ctx context.Context, sys *System, p proxy) error {
	text, err := p.text(ctx, "get_ca_cert")
	if err != nil {
		return err
	}
	if err := saveFile(c.Output, public, disk.Bytes([]byte(text))); err != nil {
		return err
	}
	sys.out("CA certificate written to: %s", resolved(c.Output))
	if problem := caProblem([]byte(text)); problem != "" {
		sys.note("warning: %s: %s", problem, ca.Remedy)
	}
	return nil
}

// caProblem returns the problem with the dates of a certificate in PEM, empty for
// none.
func caProblem(text []byte) string {
	block, _ := pem.Decode(text)
	if block == nil {
		return ""
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "the CA certificate can't be read: " + err.Error()
	}
	return ca.Problem(cert)
}
