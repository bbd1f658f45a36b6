package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"starproxy/driver/hold"
)

// heldCommands is the grammar of "held".
type heldCommands struct {
	List    heldListCmd    `cmd:"" default:"withargs" help:"List the exchanges that are held (the default)."`
	Show    heldShowCmd    `cmd:"" help:"Print a held exchange."`
	Release heldReleaseCmd `cmd:"" help:"Let a held exchange go on, edited or not."`
	Answer  heldAnswerCmd  `cmd:"" help:"Answer a held exchange by hand."`
	Abort   heldAbortCmd   `cmd:"" help:"Reset the connection of a held exchange."`
}

type heldListCmd struct {
	Wait time.Duration `placeholder:"TIME" help:"Wait so long for the first one, if there is none."`
	output
}

// Help explains a line.
func (heldListCmd) Help() string {
	return `One line for each exchange, the oldest first: its number in flight behind @ (a captured exchange has another one), the side on which it is held, how long it is held yet, the request, and the status of a response. "intercept" says which exchanges are held.`
}

// Run lists what is held.
func (c *heldListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var rows []hold.Row
	if printed, err := c.list(ctx, sys, p, &rows, "list_held", c.Wait.Seconds()); printed || err != nil {
		return err
	}
	if len(rows) == 0 {
		sys.out("Nothing is held.")
		return nil
	}
	table := [][]string{{">No", "Side", ">Left", "Method", "URL", ">Status"}}
	for _, r := range rows {
		left, status := max(0, time.Until(time.UnixMilli(int64(r.Until*1000)))), ""
		if r.Status != 0 {
			status = strconv.Itoa(r.Status)
		}
		table = append(table, []string{
			"@" + strconv.FormatUint(r.ID, 10), string(r.Side), fmt.Sprintf("%.0f s", left.Seconds()), r.Method, r.URL, status,
		})
	}
	sys.table(table)
	return nil
}

type heldShowCmd struct {
	ID liveNumber `completion:"held" arg:"" name:"no" help:"Number of the exchange, with or without its @."`
	output
}

// Run prints the messages.
func (c *heldShowCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var d hold.Detail
	if printed, err := c.list(ctx, sys, p, &d, "get_held", uint64(c.ID)); printed || err != nil {
		return err
	}
	printShown(sys, fmt.Sprintf("%s %s %s", d.Request.Method, d.Request.URL, d.Protocol), &d.Request)
	if r := d.Response; r != nil {
		sys.out("")
		printShown(sys, strings.TrimSpace(fmt.Sprintf("%d %s", r.Status, r.Reason)), r)
	}
	return nil
}

// printShown prints a message below its first line.
func printShown(sys *System, first string, m *hold.Shown) {
	sys.out("%s", printable(first))
	for _, h := range m.Headers {
		sys.out("%s", printable(h[0]+": "+h[1]))
	}
	switch {
	case m.Base64 != "":
		sys.out("\n(a body that is no text; --json has it)")
	case m.Body != "":
		sys.out("")
		for line := range strings.Lines(m.Body) {
			sys.out("%s", printable(strings.TrimRight(line, "\r\n")))
		}
	}
	if m.Fixed != "" {
		sys.out("(its body can't be edited: %s)", m.Fixed)
	}
}

// heldEdit are the flags of what is edited on both sides.
type heldEdit struct {
	Status  int      `placeholder:"CODE" help:"Status of the response."`
	Headers []string `name:"header" short:"H" sep:"none" placeholder:"NAME: VALUE" help:"Set a header; may be given several times."`
	Body    *string  `short:"d" help:"Body as text, or @FILE, or @- for standard input."`
}

// edits returns what was given.
func (e *heldEdit) edits(sys *System) (map[string]any, error) {
	edits, headers := map[string]any{}, map[string]any{}
	if e.Status != 0 {
		edits["status"] = e.Status
	}
	for _, line := range e.Headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, usagef("--header: got %q, want NAME: VALUE", line)
		}
		headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	if len(headers) > 0 {
		edits["headers"] = headers
	}
	if e.Body == nil {
		return edits, nil
	}
	file, fromFile := strings.CutPrefix(*e.Body, "@")
	if !fromFile {
		edits["body"] = *e.Body
		return edits, nil
	}
	data, _, err := sys.document(file)
	if edits["body_base64"] = data; err != nil { // JSON has bytes in Base64
		return nil, err
	}
	return edits, nil
}

type heldReleaseCmd struct {
	ID     liveNumber `completion:"held" arg:"" optional:"" name:"no" help:"Number of the exchange, with or without its @."`
	All    bool       `help:"Release all, unchanged."`
	Method string     `help:"Another method for the request."`
	URL    string     `name:"url" help:"Another URL or path for the request."`
	Remove []string   `name:"remove-header" sep:"none" placeholder:"NAME" help:"Remove a header; may be given several times."`
	heldEdit
}

// Help tells what is kept.
func (heldReleaseCmd) Help() string {
	return `What is not named stays as it is. A body is sent without content encoding, and its length is set. The captured exchange tells what was edited.

Examples:

    j proxy held release @3
    j proxy held release @3 --url /api/v2/status -H 'X-Test: 1'
    j proxy held release @4 --status 503 -d '{"state": "busy"}'
    j proxy held release --all`
}

// Run releases one, or all.
func (c *heldReleaseCmd) Run(ctx context.Context, sys *System, p proxy) error {
	edits, err := c.edits(sys)
	if err != nil {
		return err
	}
	for key, value := range map[string]string{"method": c.Method, "url": c.URL} {
		if value != "" {
			edits[key] = value
		}
	}
	if len(c.Remove) > 0 {
		headers, ok := edits["headers"].(map[string]any)
		if !ok {
			headers = map[string]any{}
			edits["headers"] = headers
		}
		for _, name := range c.Remove {
			headers[name] = nil
		}
	}
	switch {
	case c.All && (c.ID != 0 || len(edits) > 0):
		return usagef("got --all with a number or an edit, want it alone (see %s held release --help)", sys.Name)
	case c.All:
		return p.say(ctx, sys, "release_all")
	case c.ID == 0:
		return usagef("got no number, want that of a held exchange, or --all (see %s held release --help)", sys.Name)
	}
	changes, err := json.Marshal(edits)
	if err != nil {
		return err
	}
	return p.say(ctx, sys, "release", uint64(c.ID), string(changes))
}

type heldAnswerCmd struct {
	ID liveNumber `completion:"held" arg:"" name:"no" help:"Number of the exchange, with or without its @."`
	heldEdit
}

// Help tells who is not asked.
func (heldAnswerCmd) Help() string {
	return `No mock and no real server gets a held request then; a held response is replaced. The status is 200 unless another one is given.

Example:

    j proxy held answer @3 --status 404 -H 'Content-Type: application/json' -d '{"error": "gone"}'`
}

// Run answers.
func (c *heldAnswerCmd) Run(ctx context.Context, sys *System, p proxy) error {
	edits, err := c.edits(sys)
	if err != nil {
		return err
	}
	response, err := json.Marshal(edits)
	if err != nil {
		return err
	}
	return p.say(ctx, sys, "answer_held", uint64(c.ID), string(response))
}

type heldAbortCmd struct {
	ID liveNumber `completion:"held" arg:"" name:"no" help:"Number of the exchange, with or without its @."`
}

// Help tells what the device sees.
func (heldAbortCmd) Help() string {
	return `The device sees a TCP reset, over HTTP/2 a reset of the stream.`
}

// Run aborts.
func (c *heldAbortCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "abort_held", uint64(c.ID))
}
