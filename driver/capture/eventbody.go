package capture

import (
	"errors"
	"io"
	"os"
	"strings"

	"starproxy/builtins/exchange"
)

const (
	// maxEncoded is the size of encoded bodies up to which events undo the
	// encoding of what they do not show in full.
	maxEncoded = 16 << 20
	// maxDecoded is how large such a body may become.
	maxDecoded = 32 << 20
)

// setBody fills in the request body: text where it is text, else a file.
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
			v.Body, v.BodyEncoding, v.bodyBytes = string(s), charset, data
			return
		}
	}
	v.BodyBinary = !declared
	v.BodyEncoding = strings.Join(exchange.Encodings(e.RequestHeader), ", ")
	switch {
	case b.Path != "":
		v.BodyFile = b.Path
	case b.Data != nil:
		v.BodyFile, _ = j.show(e, false, b.Data)
	}
}

// RefusedMethod is the method that events show for a refused request. A search by
// method must not find a request that was never served. The method as it was sent
// is in the body.
const RefusedMethod = "REFUSED"

// setRefused fills in what was sent for a request that was refused, and what came of
// it: as text if it is text, else as Latin-1.
func (v *event) setRefused(e *Entry) {
	v.Kind, v.Method = "refused", RefusedMethod
	v.Status, v.SentStatus = 0, e.Status
	b := e.RequestBody
	v.BodySize, v.BodyTruncated = b.Size, b.Truncated
	v.bodyBytes, v.BodyBinary = b.Data, IsBinary(b.Data)
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
			// Not what the header says: shown as it came.
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
			v.setFile(j.show(e, true, data))
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
		v.setFile(j.show(e, true, b.Data))
	default:
		v.ResponseTruncated = true
	}
}

func (v *event) setText(data []byte, contentType string) {
	b, charset := exchange.DecodeText(data, contentType)
	s := string(b)
	v.Response, v.ResponseEncoding, v.respBytes = &s, charset, data
	v.ResponseSize = int64(len(data))
}

func (v *event) setFile(path string, ok bool) {
	if ok {
		v.ResponseFile = &path
	}
}

// show gives a file with the body's data, made when there is none yet. It goes
// when the entry goes; an entry that is gone gets none.
func (j *Journal) show(e *Entry, resp bool, data []byte) (string, bool) {
	if f := j.shown(e.Seq, resp); f != nil {
		return f.path, true
	}
	f, err := j.spool.store(e.URL(), data)
	if err != nil {
		return "", false
	}
	return j.attach(e.Seq, resp, f)
}

// unfold names a file with a large response whose encoding is undone.
func (v *event) unfold(j *Journal, e *Entry) bool {
	f := j.shown(e.Seq, true)
	if f == nil {
		r, err := OpenDecoded(e.ResponseHeader, e.ResponseBody)
		if err != nil {
			return false
		}
		defer r.Close()
		rec := j.NewRecorder(nil, e.URL())
		rec.held = false
		n, err := io.Copy(rec, io.LimitReader(r, j.unfold+1))
		if n > j.unfold || err != nil {
			rec.Discard()
			return false
		}
		b := rec.Blob()
		if f = j.spool.lookup(b.Path); f == nil {
			return false
		}
		if b.Truncated {
			j.spool.release(f)
			return false
		}
		if _, ok := j.attach(e.Seq, true, f); !ok {
			return false
		}
		if f = j.shown(e.Seq, true); f == nil {
			return false
		}
	}
	v.ResponseFile, v.ResponseSize = &f.path, j.spool.length(f)
	return true
}

// shown gives the file that events name for a body, nil when there is none.
func (j *Journal) shown(seq uint64, resp bool) *spoolFile {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, i, ok := j.find(seq)
	if !ok {
		return nil
	}
	k := s.find(i)
	if k == nil {
		return nil
	}
	if f := k.body(resp).shown; f != nil && !f.gone.Load() {
		return f
	}
	return nil
}

// attach makes f the file that events name for a body. If there is one
// already, or the entry is gone, f is let go.
func (j *Journal) attach(seq uint64, resp bool, f *spoolFile) (path string, ok bool) {
	unused := f
	defer func() { j.spool.release(unused) }()
	j.mu.Lock()
	defer j.mu.Unlock()
	s, i, ok := j.find(seq)
	if !ok {
		return "", false
	}
	n := len(s.kept)
	h := s.hold(i).body(resp)
	j.live += keptSize * int64(len(s.kept)-n)
	if h.shown != nil && !h.shown.gone.Load() {
		return h.shown.path, true
	}
	h.shown, unused = f, nil
	return f.path, true
}

// leaveOutResponse puts the text of the response into a file instead.
func (v *event) leaveOutResponse(j *Journal, e *Entry) {
	if v.Response == nil || *v.Response == "" {
		return
	}
	if b := e.ResponseBody; b.Path != "" && len(exchange.Encodings(e.ResponseHeader)) == 0 {
		v.ResponseFile, v.ResponseOffset = &b.Path, b.Off
	} else {
		v.setFile(j.show(e, true, v.respBytes))
	}
	v.Response, v.respBytes = nil, nil
	v.ResponseOmitted = true
}

// leaveOutBody puts the text of the request into a file instead.
func (v *event) leaveOutBody(j *Journal, e *Entry) {
	if v.Body == "" {
		return
	}
	v.BodyFile, _ = j.show(e, false, v.bodyBytes)
	v.Body, v.bodyBytes = "", nil
	v.BodyOmitted = true
}

// maxLine is how much of a text remains in an event that would be too large
// even without bodies. Every character may take six bytes in JSON.
const maxLine = 32 << 10

// leaveOutHeaders keeps the frame of an event whose header alone is too large.
func (v *event) leaveOutHeaders() {
	v.HeadersOmitted = true
	v.Headers, v.RespHeaders = map[string]string{}, map[string]string{}
	v.HeaderList, v.RespList = [][2]string{}, [][2]string{}
	v.Trailers, v.RespTrailers, v.Notes = nil, nil, nil
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
