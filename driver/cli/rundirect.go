package cli

import (
	"context"
	"time"

	"starproxy/driver/exporter"
	"starproxy/driver/exporter/controller"
)

// hookEnd is how long the afterLease hook may take once a session that has no
// controller was told to stop.
const hookEnd = 7 * time.Second

// serveDirectly serves a session over TCP, with its hooks, until ctx ends.
func (c *runCmd) serveDirectly(ctx context.Context, sys *System, b *bench, w *observation) error {
	hooks, err := controller.NewStandalone(b, b.config)
	if err != nil {
		return err
	}
	passphrase := c.Passphrase
	if passphrase == "" && c.PassFile == "" {
		passphrase = sys.Getenv("JMP_GRPC_PASSPHRASE")
	}
	tcp, err := b.ServeTCP(c.Listener, exporter.TCPOptions{
		CertFile: c.Cert, KeyFile: c.Key, Insecure: c.Insecure, Passphrase: passphrase, PassphraseFile: c.PassFile,
	})
	if err != nil {
		return err
	}
	if err := c.ready(ctx, b); err != nil {
		return unlessEnded(ctx, err)
	}
	if err := b.greet(ctx, sys, tcp, c.Insecure); err != nil {
		return unlessEnded(ctx, err)
	}
	if err := hooks.Begin(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	if err := b.tell(ctx, w); err != nil {
		return unlessEnded(ctx, err)
	}
	<-ctx.Done()
	sys.note("Stopping...")
	w.stopping()
	w.detach()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hookEnd)
	defer cancel()
	return hooks.End(ctx)
}
