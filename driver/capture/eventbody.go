package capture

import (
	"errors"
	"io"
	"os"
	"strings"

	"starproxy/builtins/exchange"
)

const (
	// maxEncoded is the largest encoded body that an event names decoded, in bytes.
	maxEncoded = 16 << 20
	// maxDecoded is the largest size of such a body once it is decoded, in bytes.
	maxDecoded = 32 << 20
)

// setBody fills in the request body: its text, or the path of a file.
func (v *event) setBody(j *Journal, e *Entry) {
	b := e.RequestBody
	v.BodySize, v.BodyTruncated = b.Size, b.Truncated
	if b.Size == 0 {
		return
	}
	declared := IsText(ContentType(e.RequestHeader))
	var data []byte
	more := true
	if b.Size <= int64(j.inline) {
		var err error
		data, more, err = Decoded(e.RequestHeader, b, int64(j.inline))
		if err != nil && (len(data) == 0 || len(exchange.Encodings(e.RequestHeader)) == 0) {
			more = true
			v.BodyTruncated = v.BodyTruncated || errors.Is(err, ErrNotKept)
		}
	}
	if !more {
		if s, charset, ok := ReadText(data, e.RequestHeader); ok {
			v.Body, v.BodyEncoding = string(s), charset
			return
		}
	}
	v.BodyBinary = !declared
	v.BodyEncoding = strings.Join(exchange.Encodings(e.RequestHeader), ", ")
	switch {
	case b.Path != "":
		v.BodyFile = b.Path
	case b.Data != nil:
		v.BodyFile, _ = j.bodyPath(e, false, false)
	}
}

// RefusedMethod is the method that events show for a refused request. A search by
// method must not find a request that was never served. The method as it was sent
// is in the body.
const RefusedMethod = "REFUSED"

// setRefused fills in the bytes of a refused request, as UTF-8 or else as Latin-1, and
// the status of the response.
func (v *event) setRefused(e *Entry) {
	v.Kind, v.Method = "refused", RefusedMethod
	v.Status, v.SentStatus = 0, e.Status
	b := e.RequestBody
	v.BodySize, v.BodyTruncated = b.Size, b.Truncated
	v.BodyBinary = IsBinary(b.Data)
	v.Body, v.BodyEncoding = streamText(b.Data)
}

// setResponse fills in the response body.
func (v *event) setResponse(j *Journal, e *Entry) {
	b, h := e.ResponseBody, e.ResponseHeader
	ct := ContentType(h)
	isText := IsText(ct)
	v.ResponseType, v.IsBinary = &ct, !isText
	v.ResponseSize, v.ResponseTruncated, v.ResponseBroke = b.Size, b.Truncated, b.Partial
	if b.Size == 0 {
		v.Response = new(string)
		return
	}
	codings := exchange.Encodings(h)
	if isText && b.Size <= int64(j.inline) || len(codings) > 0 && b.Size <= maxEncoded {
		data, more, err := Decoded(h, b, int64(j.inline))
		switch {
		case errors.Is(err, ErrNotKept):
			v.ResponseTruncated = true
			return
		case err != nil && (len(data) == 0 || len(codings) == 0):
			// The header is wrong: the body is shown as it came.
		case more:
			if v.unfold(j, e) {
				return
			}
		case isText:
			v.setText(data, h.Get("Content-Type"))
			v.ResponseTruncated = v.ResponseTruncated || err != nil
			return
		default:
			v.ResponseSize = int64(len(data))
			v.setFile(j.bodyPath(e, true, true))
			v.ResponseTruncated = v.ResponseTruncated || err != nil
			return
		}
	}
	v.ResponseEncoding = strings.Join(codings, ", ")
	switch {
	case b.Path != "":
		if !b.Spooled {
			if _, err := os.Stat(b.Path); err != nil {
				return
			}
		}
		v.ResponseFile, v.ResponseOffset = &b.Path, b.Off
	case b.Data != nil:
		v.setFile(j.bodyPath(e, true, false))
	default:
		v.ResponseTruncated = true
	}
}

func (v *event) setText(data []byte, contentType string) {
	b, charset := exchange.DecodeText(data, contentType)
	s := string(b)
	v.Response, v.ResponseEncoding = &s, charset
	v.ResponseSize = int64(len(data))
}

func (v *event) setFile(path string, ok bool) {
	if ok {
		v.ResponseFile = &path
	}
}

// unfold names a large response whose content encoding is undone, and its size. It
// reports whether that can be undone within bounds.
func (v *event) unfold(j *Journal, e *Entry) bool {
	n := j.decodedSize(e)
	if n < 0 {
		return false
	}
	path, ok := j.bodyPath(e, true, true)
	if !ok {
		return false
	}
	v.ResponseFile, v.ResponseSize = &path, n
	return true
}

// decodedSize returns how many bytes the response body has without its content
// encoding, -1 when it can't be decoded or has too many. For a body outside the
// packed entry it decodes once.
func (j *Journal) decodedSize(e *Entry) int64 {
	if n := j.known(e.Seq); n != 0 {
		return n
	}
	n := int64(-1)
	if r, err := OpenDecoded(e.ResponseHeader, e.ResponseBody); err == nil {
		defer r.Close()
		if read, err := io.Copy(io.Discard, io.LimitReader(r, j.unfold+1)); err == nil && read <= j.unfold {
			n = read
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if k := j.keptOf(e.Seq); k != nil {
		k.decoded = n
	}
	return n
}

// known returns an earlier result of decodedSize, 0 for none.
func (j *Journal) known(seq uint64) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if k := j.keptOf(seq); k != nil {
		return k.decoded
	}
	return 0
}

// keptOf returns what the entry seq holds outside its packed bytes, nil for
// nothing. The lock is held.
func (j *Journal) keptOf(seq uint64) *kept {
	s, i, ok := j.find(seq)
	if !ok {
		return nil
	}
	return s.find(i)
}

// leaveOutResponse replaces the text of the response by the path of a file.
func (v *event) leaveOutResponse(j *Journal, e *Entry) {
	if v.Response == nil || *v.Response == "" {
		return
	}
	if b := e.ResponseBody; b.Path != "" && len(exchange.Encodings(e.ResponseHeader)) == 0 {
		v.ResponseFile, v.ResponseOffset = &b.Path, b.Off
	} else {
		v.setFile(j.bodyPath(e, true, true))
	}
	v.Response = nil
	v.ResponseOmitted = true
}

// leaveOutBody replaces the text of the request by the path of a file.
func (v *event) leaveOutBody(j *Journal, e *Entry) {
	if v.Body == "" {
		return
	}
	v.BodyFile, _ = j.bodyPath(e, false, true)
	v.Body = ""
	v.BodyOmitted = true
}

// maxLine is the largest size of a text in an event that is too large even without
// bodies, in bytes. A character may take six bytes in JSON.
const maxLine = 32 << 10

// leaveOutHeaders removes the headers of an event and cuts its long texts.
func (v *event) leaveOutHeaders() {
	v.HeadersOmitted = true
	v.Headers, v.RespHeaders = map[string]string{}, map[string]string{}
	v.HeaderList, v.RespList = [][2]string{}, [][2]string{}
	v.Trailers, v.RespTrailers, v.Notes, v.Met = nil, nil, nil, nil
	v.Query = map[string][]string{}
	for _, s := range []*string{&v.Method, &v.URL, &v.Path, &v.Endpoint, &v.Source, &v.Error, &v.Alert, &v.SNI,
		&v.BodyEncoding, &v.ResponseEncoding, &v.Protocol} {
		if len(*s) > maxLine {
			*s = (*s)[:maxLine]
		}
	}
	if v.ResponseType != nil && len(*v.ResponseType) > maxLine {
		ct := (*v.ResponseType)[:maxLine]
		v.ResponseType = &ct
	}
}
