package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"starproxy/driver/view"
)

type captureShowCmd struct {
	Number      uint64 `completion:"captures" arg:"" optional:"" help:"Number of the request, as \"capture list\" prints it (default: the last one)."`
	Body        bool   `help:"Only the body of the answer, its content encoding undone."`
	RequestBody bool   `name:"request-body" help:"Only the body of the request."`
	Output      string `short:"o" name:"output" enum:"auto,text,raw,json" default:"auto" placeholder:"FORMAT" help:"Form of what is printed: text, json, or a body raw, byte by byte (default: text; bodies raw unless on a terminal)."`
	JSON        bool   `name:"json" help:"The same as --output json."`
}

// Help explains the parts.
func (captureShowCmd) Help() string {
	return `Tells all that is known of one request: what was sent and answered in the order and spelling of the wire, the beginnings of both bodies laid out, who answered or which mocks came nearest, faults that it met, notes of scripts, how long it took, TLS, messages of a WebSocket, and a curl command that sends it again.

--body prints the whole body. Into a pipe or a file go its bytes; on a terminal it is laid out as the page does it: JSON, XML and HTML, events, forms, GraphQL, gRPC and protobuf, MessagePack, CBOR. Exits with 1 when a part of the body is missing.

Examples:

    j proxy capture show
    j proxy capture show 17
    j proxy capture show 17 --body | jq .
    j proxy capture show 17 --request-body > upload.bin
    j proxy capture show 17 --json | jq -r .curl`
}

// Run prints the exchange or a body.
func (c *captureShowCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if c.Body && c.RequestBody {
		return usagef("got --body and --request-body, want one of them")
	}
	asJSON := c.JSON || c.Output == "json"
	if c.Output == "raw" && !c.Body && !c.RequestBody {
		return usagef("--output: got raw, want --body or --request-body with it")
	}
	seq, err := p.numbered(ctx, c.Number)
	if err != nil {
		return err
	}
	side := "response"
	if c.RequestBody {
		side = "request"
	}
	switch {
	case asJSON && (c.Body || c.RequestBody):
		return p.say(ctx, sys, "render_body", seq, side, 0)
	case c.Body || c.RequestBody:
		if c.Output == "raw" || c.Output == "auto" && !terminal(sys.Stdout) {
			return p.rawBody(ctx, sys, seq, side)
		}
		return p.laidOut(ctx, sys, seq, side)
	case asJSON:
		return p.say(ctx, sys, "get_capture", seq)
	}
	return p.showCapture(ctx, sys, seq)
}

// numbered returns the number of a request: seq, or for 0 that of the last one.
func (p proxy) numbered(ctx context.Context, seq uint64) (uint64, error) {
	var known struct {
		Rows []requestRow `json:"rows"`
	}
	if seq != 0 {
		return seq, nil
	}
	err := p.document(ctx, &known, "list_captures", "", "", 0, 1)
	switch {
	case unknownMethod(err):
		return 0, errors.New("this exporter can't show one request: it is the stock one or an old starproxy")
	case err != nil:
		return 0, err
	case len(known.Rows) == 0:
		return 0, errors.New("no captured requests")
	}
	return known.Rows[0].Seq, nil
}

// bodyPiece is a part of a body, as get_capture_body gives it.
type bodyPiece struct {
	Data      string `json:"data"` // base64
	Size      int64  `json:"size"`
	More      bool   `json:"more"`
	Type      string `json:"type"`
	Charset   string `json:"charset"`
	Binary    bool   `json:"binary"`
	Truncated bool   `json:"truncated"`
	Error     string `json:"error"`
}

// Sizes of pieces that are asked for, in bytes.
const (
	wholePiece   = 2 << 20 // when all of a body is wanted
	previewPiece = 16 << 10
)

// piece asks for a part of a body.
func (p proxy) piece(ctx context.Context, seq uint64, side string, offset, limit int) (b bodyPiece, data []byte, err error) {
	if err := p.document(ctx, &b, "get_capture_body", seq, side, offset, limit); err != nil {
		return b, nil, err
	}
	data, err = base64.StdEncoding.DecodeString(b.Data)
	return b, data, err
}

// copyBody writes a body to w, piece by piece. It fails when a part of the body is missing.
func (p proxy) copyBody(ctx context.Context, w io.Writer, seq uint64, side string) (bodyPiece, error) {
	for offset := 0; ; {
		b, data, err := p.piece(ctx, seq, side, offset, wholePiece)
		if err != nil {
			return b, err
		}
		if _, err := w.Write(data); err != nil {
			return b, err
		}
		switch {
		case b.Error != "":
			return b, fmt.Errorf("the body is incomplete: %s", b.Error)
		case b.Truncated && !b.More:
			return b, fmt.Errorf("the body is incomplete: only its first %d bytes were kept", offset+len(data))
		case !b.More || len(data) == 0:
			return b, nil
		}
		offset += len(data)
	}
}

// rawBody prints the bytes of a body.
func (p proxy) rawBody(ctx context.Context, sys *System, seq uint64, side string) error {
	_, err := p.copyBody(ctx, sys.Stdout, seq, side)
	return err
}

// laidOut prints a body as people read it.
func (p proxy) laidOut(ctx context.Context, sys *System, seq uint64, side string) error {
	var all bytes.Buffer
	b, incomplete := p.copyBody(ctx, &all, seq, side)
	if incomplete != nil && all.Len() == 0 {
		return incomplete
	}
	for _, line := range bodyLines(b, all.Bytes(), p.views(ctx, seq, side)) {
		sys.out("%s", line)
	}
	return incomplete
}

// views asks how a body can be laid out; nil for not at all.
func (p proxy) views(ctx context.Context, seq uint64, side string) *view.Rendered {
	r := &view.Rendered{}
	if err := p.document(ctx, r, "render_body", seq, side, 0); err != nil {
		return nil // an older exporter: the text itself is shown
	}
	return r
}

// showCapture prints all about an exchange.
func (p proxy) showCapture(ctx context.Context, sys *System, seq uint64) error {
	var raw json.RawMessage
	err := p.document(ctx, &raw, "get_capture", seq)
	if unknownMethod(err) {
		return errors.New("this exporter can't show one request: it is the stock one or an old starproxy")
	}
	if err != nil {
		return err
	}
	var d captureDetail
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("get_capture: the exporter's answer is not the JSON expected: %w", err)
	}
	page := &showPage{palette: palette(sys.colours()), width: sys.bounded()}
	page.head(&d)
	for _, side := range []string{"request", "response"} {
		page.side(&d, side)
		if size := d.bodySize(side); size > 0 {
			b, data, err := p.piece(ctx, seq, side, 0, previewPiece)
			if err != nil {
				return err
			}
			command := fmt.Sprintf("capture show %d --body", seq)
			if side == "request" {
				command = fmt.Sprintf("capture show %d --request-body", seq)
			}
			page.body(size, b, data, p.views(ctx, seq, side), command)
		}
	}
	if d.Socket != nil {
		var messages []shownMessage
		if err := p.document(ctx, &messages, "list_messages", seq); err != nil {
			return err
		}
		page.messages(&d, messages)
	}
	page.why(&d)
	page.connection(&d)
	page.again(&d)
	sys.out("%s", strings.TrimRight(page.String(), "\n"))
	return nil
}
