package view

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

// maxPiece bounds the part of a body that one call returns. maxSkip bounds the offset
// of a part. Both are in bytes.
const (
	maxPiece = 2 << 20
	maxSkip  = 256 << 20
)

// piece is a part of a body, with its content encoding undone.
type piece struct {
	Data      string `json:"data"` // base64
	Offset    int    `json:"offset"`
	Size      int64  `json:"size"` // of the body with the content encoding undone; -1 when not known yet
	More      bool   `json:"more"`
	Type      string `json:"type"`
	Charset   string `json:"charset"` // of a text, empty for UTF-8
	Binary    bool   `json:"binary"`
	Truncated bool   `json:"truncated"`
	Error     string `json:"error"`
}

func (s *Service) body(_ context.Context, seq int, side string, offset, limit int) (*piece, error) {
	e, err := s.Entry("get_capture_body", seq)
	if err != nil {
		return nil, err
	}
	header, body, err := s.sideOf("get_capture_body", e, side)
	if err != nil {
		return nil, err
	}
	p := &piece{Offset: max(offset, 0), Size: body.Size, Type: capture.ContentType(header), Truncated: body.Truncated}
	if len(exchange.Encodings(header)) > 0 {
		p.Size = -1
	}
	limit = min(max(limit, 1), maxPiece)
	data, more, err := readPiece(header, body, int64(p.Offset), limit)
	if err != nil {
		p.Error = err.Error()
		if errors.Is(err, capture.ErrNotKept) {
			p.Truncated = true
		}
	}
	if p.More = more; !more && err == nil {
		p.Size = int64(p.Offset + len(data))
	}
	p.Data = base64.StdEncoding.EncodeToString(data)
	whole := trimRune(data)
	_, charset, readable := capture.ReadText(whole, header)
	p.Charset, p.Binary = charset, !readable && !utf8.Valid(whole)
	return p, nil
}

// sideOf returns the header and body of one side of an exchange. Its refusal names the
// method that was called.
func (s *Service) sideOf(method string, e *capture.Entry, side string) (exchange.Header, capture.Blob, error) {
	header, body := e.ResponseHeader, e.ResponseBody
	switch side {
	case "response":
	case "request":
		header, body = e.RequestHeader, e.RequestBody
	default:
		return nil, body, rpc.Refuse(rpc.InvalidArgument, "%s: argument side: got %q, want request or response", method, side)
	}
	if e.Kind == capture.TCP {
		pieces, _ := s.Sockets.Stream(e.Seq)
		body = capture.Bytes(pieces, side == "request", maxSkip)
	}
	return header, body, nil
}

// trimRune returns b without an incomplete character at its end.
func trimRune(b []byte) []byte {
	for n := 1; n <= 3 && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return b[:len(b)-n]
			}
			return b
		}
	}
	return b
}

func readPiece(h exchange.Header, b capture.Blob, offset int64, limit int) (data []byte, more bool, err error) {
	if offset > maxSkip {
		return nil, false, errors.New("the rest is too far in to be shown: save the exchange instead")
	}
	r, err := capture.OpenDecoded(h, b)
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, offset); err != nil {
		if err == io.EOF {
			err = nil
		}
		return nil, false, err
	}
	data, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(data) > limit {
		return data[:limit], true, nil
	}
	return data, false, err
}
