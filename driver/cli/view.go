package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"starproxy/builtins/disk"
	"starproxy/driver/view"
	"starproxy/driver/web"
)

type viewCmd struct {
	File string `arg:"" help:"Bundle (.zip), flow file or HAR document of a session."`
	Port int    `placeholder:"N" help:"Local port to listen on (default: a free one)."`
	Open bool   `negatable:"" default:"true" help:"Open the page in a browser (--no-open to print the link only)."`
	HTML string `name:"html" placeholder:"OUT" help:"Write the page with the data into one HTML file, and serve nothing."`
}

// Help explains what is shown.
func (viewCmd) Help() string {
	return `Shows the session in a file on the page of the web UI: exchanges, filters, details, why a mock answered or none did, messages of WebSockets, bodies. The kind of file is told by its content. Nothing can be changed on the page, and only this machine reaches it. Ctrl+C stops.

With --html the page is one file that needs no server and no network, and opens in any browser. It has bodies up to 256 KiB each and 16 MiB together, those of the newest exchanges first.

Examples:

    starproxy view failure.zip
    starproxy view session.har --port 8090 --no-open
    starproxy view capture_20260131_120000.bin --html report.html`
}

// Run serves the page until it is interrupted, or writes it.
func (c *viewCmd) Run(ctx context.Context, sys *System) error {
	s, done, err := view.OpenSession(c.File, 0)
	if err != nil {
		return err
	}
	defer done()
	if s.Unread > 0 && s.Journal.Stats().Entries == 0 {
		return errors.New(s.Faults[0])
	}
	if s.Unread > 0 {
		sys.note("warning: %d record(s) of %s can't be read: %s", s.Unread, c.File, oneLine(errors.New(s.Faults[0])))
	}
	if c.HTML != "" {
		if err := disk.Replace(c.HTML, 0o600, func(w io.Writer) error { return web.WriteReport(ctx, w, s, view.Budget{}) }); err != nil {
			return err
		}
		sys.out("Wrote %d exchange(s) to: %s", s.Journal.Stats().Entries, resolved(c.HTML))
		return nil
	}
	return c.serve(ctx, sys, s)
}

func (c *viewCmd) serve(ctx context.Context, sys *System, s *view.Session) error {
	log := slog.New(newLogHandler(sys, slog.LevelWarn, ""))
	page, err := web.New(s.Table(log), "localhost", log)
	if err != nil {
		return err
	}
	defer page.Close()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w (choose another with --port)", err)
	}
	if err != nil {
		return fmt.Errorf("listening for the browser: %w", err)
	}
	defer l.Close()
	link := fmt.Sprintf("http://%s/?token=%s", l.Addr(), page.Token())
	sys.out("%s has %d exchange(s). The page: %s", c.File, s.Journal.Stats().Entries, link)
	sys.out("Press Ctrl+C to stop.")
	if err := sys.loss.fault(); err != nil { // nobody knows the address
		return err
	}
	if c.Open {
		if err := openBrowser(link); err != nil {
			sys.note("%s: no browser was opened (%s): open the link", sys.Name, oneLine(err))
		}
	}
	go page.Serve(l)
	<-ctx.Done()
	sys.out("\nStopping...")
	return nil
}

// openBrowser lets the system open a link.
func openBrowser(link string) error {
	name, args := "xdg-open", []string{link}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", link}
	}
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait()
	return nil
}
