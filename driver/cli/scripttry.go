package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// proxyScriptCommands is the grammar of "script" of a proxy.
type proxyScriptCommands struct {
	List proxyScriptListCmd `cmd:"" default:"withargs" help:"List the scenario and the scripts in force, with their last errors (the default)."`
	Try  scriptTryCmd       `cmd:"" help:"Answer a request by a copy of the endpoints, and print what came of it."`
}

type proxyScriptListCmd struct {
	JSON bool `name:"json" help:"Print the exporter's own answer."`
}

// Run prints a line for each script, and its error below.
func (c *proxyScriptListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var raw json.RawMessage
	if err := p.document(ctx, &raw, "list_scripts"); err != nil {
		return err
	}
	if c.JSON {
		sys.out("%s", raw)
		return nil
	}
	var list []struct{ Name, Kind, File, Error string }
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("list_scripts: %w", err)
	}
	if len(list) == 0 {
		sys.out("No scenario and no scripts are loaded.")
	}
	for _, s := range list {
		state := "fine"
		if s.Error != "" {
			state = "error"
		}
		sys.out("%-9s %-6s %s", s.Kind, state, s.File)
		for line := range strings.Lines(s.Error) {
			sys.out("    %s", strings.TrimRight(line, "\n"))
		}
	}
	return nil
}

type scriptTryCmd struct {
	Method  string   `arg:"" help:"Method of the request, such as GET."`
	URL     string   `arg:"" help:"Path or URL of the request."`
	Headers []string `name:"header" short:"H" sep:"none" placeholder:"NAME: VALUE" help:"A header; may be given several times."`
	Body    string   `short:"d" help:"Body of the request."`
	Server  string   `placeholder:"JSON" help:"Answer in the place of the real server, such as '{\"status\": 200, \"body\": {}}'."`
	JSON    bool     `name:"json" help:"Print the exporter's own answer."`
}

// Help tells what a trial changes.
func (scriptTryCmd) Help() string {
	return `The request is answered by a copy of the endpoints, scripts and state, as call() of script tests does. Nothing is sent to a real server, nothing is captured, and neither the state nor hits change. The copy has the state as it is; sequences, counters and cells are as at a start. Nothing really waits: the clock of the copy jumps over delays.

The exit code is 1 when a script fails.

Examples:

    j proxy script try GET /api/v1/status
    j proxy script try POST https://api.example.com/login -H 'X-Device: 7' -d '{"user": "admin"}'`
}

// triedRequest is the answer of try_request.
type triedRequest struct {
	Status     int         `json:"status"`
	Headers    [][2]string `json:"headers"`
	Body       string      `json:"body"`
	Base64     string      `json:"body_base64"`
	Size       int         `json:"size"`
	Fault      string      `json:"fault"`
	LatencyMS  int64       `json:"latency_ms"`
	Endpoint   string      `json:"endpoint"`
	Source     string      `json:"source"`
	Handler    string      `json:"handler"`
	RealServer bool        `json:"real_server"`
	Nearest    []struct {
		Endpoint string   `json:"endpoint"`
		Why      []string `json:"why"`
	} `json:"nearest"`
	Notes []struct{ Level, Text string } `json:"notes"`
	Error *struct {
		Backtrace string `json:"backtrace"`
	} `json:"error"`
	Changes []struct {
		Key    string          `json:"key"`
		Before json.RawMessage `json:"before"`
		After  json.RawMessage `json:"after"`
	} `json:"changes"`
	Webhooks []struct{ Method, URL string } `json:"webhooks"`
	Later    int                            `json:"later"`
}

// Run prints the answer, and what would have changed.
func (c *scriptTryCmd) Run(ctx context.Context, sys *System, p proxy) error {
	headers := [][2]string{}
	for _, line := range c.Headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return usagef("--header: got %q, want NAME: VALUE", line)
		}
		headers = append(headers, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	lines, err := json.Marshal(headers)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := p.document(ctx, &raw, "try_request", c.Method, c.URL, string(lines), c.Body, c.Server); err != nil {
		return err
	}
	var r triedRequest
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("try_request: %w", err)
	}
	if c.JSON {
		sys.out("%s", raw)
	} else {
		fmt.Fprint(sys.Stdout, r.text())
	}
	if r.Error != nil {
		return exitCode(exitFailure)
	}
	return nil
}

// text tells who answered, the answer, and what would have changed.
func (r *triedRequest) text() string {
	var b strings.Builder
	switch {
	case r.Endpoint != "":
		fmt.Fprintf(&b, "%s  %s  %s\n", r.Endpoint, r.Handler, r.Source)
	case r.RealServer:
		b.WriteString("No endpoint answers: it would go to the real server.\n")
	default:
		b.WriteString("No endpoint answers.\n")
	}
	for _, m := range r.Nearest {
		fmt.Fprintf(&b, "  nearest: %s: %s\n", m.Endpoint, strings.Join(m.Why, ", "))
	}
	for _, n := range r.Notes {
		if r.Error == nil || n.Level != "error" {
			fmt.Fprintf(&b, "  %s: %s\n", n.Level, n.Text)
		}
	}
	for _, s := range r.Changes {
		fmt.Fprintf(&b, "  state %s: %s → %s\n", s.Key, valueOf(s.Before), valueOf(s.After))
	}
	for _, w := range r.Webhooks {
		fmt.Fprintf(&b, "  webhook: %s %s\n", w.Method, w.URL)
	}
	if r.Later > 0 {
		fmt.Fprintf(&b, "  %s would run later\n", plural(r.Later, "function"))
	}
	if r.Fault != "" {
		fmt.Fprintf(&b, "  fault: %s\n", r.Fault)
	}
	if r.LatencyMS > 0 {
		fmt.Fprintf(&b, "  after %d ms\n", r.LatencyMS)
	}
	if r.Error != nil {
		fmt.Fprintf(&b, "%s\n", r.Error.Backtrace)
	}
	if r.Status == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "\n%d\n", r.Status)
	for _, h := range r.Headers {
		fmt.Fprintf(&b, "%s: %s\n", h[0], h[1])
	}
	switch {
	case r.Base64 != "":
		fmt.Fprintf(&b, "\n(%d bytes that are no text)\n", r.Size)
	case r.Body != "":
		fmt.Fprintf(&b, "\n%s\n", strings.TrimRight(r.Body, "\n"))
	}
	return b.String()
}

// valueOf returns JSON, or the word for a key that is missing.
func valueOf(v json.RawMessage) string {
	if v == nil {
		return "nothing"
	}
	return string(v)
}
