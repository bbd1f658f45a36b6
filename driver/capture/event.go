package capture

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// MaxEvent is the largest size of an event, and of a list of events, in bytes. gRPC
// clients refuse messages of 4 MiB.
const MaxEvent = 7 << 19

// event is the JSON form of an Entry, for the methods of the driver and the stock
// client. The keys up to response_is_binary are those of the stock driver.
type event struct {
	Timestamp float64             `json:"timestamp"` // seconds since 1970, at the response's end
	Method    string              `json:"method"`
	URL       string              `json:"url"`
	Path      string              `json:"path"`    // with the query
	Headers   map[string]string   `json:"headers"` // values of one name folded with ", "
	Query     map[string][]string `json:"query"`
	Body      string              `json:"body"` // text, with its content encoding undone

	Status     int   `json:"response_status"` // 0: no answer from the real server
	WasMocked  bool  `json:"was_mocked"`      // also when patched
	WasPatched bool  `json:"was_patched"`
	Duration   int64 `json:"duration_ms"`
	// ResponseSize is in bytes, with the content encoding undone unless
	// ResponseEncoding says otherwise.
	ResponseSize int64             `json:"response_size"`
	Response     *string           `json:"response_body"`
	ResponseFile *string           `json:"response_body_file"`
	ResponseType *string           `json:"response_content_type"` // bare, lower case
	RespHeaders  map[string]string `json:"response_headers"`      // without content-encoding
	IsBinary     bool              `json:"response_is_binary"`

	Seq      uint64 `json:"seq"`
	Kind     string `json:"kind"`   // "http", "tls_error", "tcp" or "refused"
	Origin   string `json:"origin"` // passthrough, mocked, patched or proxy
	Endpoint string `json:"endpoint,omitempty"`
	Source   string `json:"source,omitempty"`
	// Error is why an exchange failed. Its key is not "error", because the stock client
	// takes that key for a wait that timed out.
	Error    string `json:"failure,omitempty"`
	SNI      string `json:"sni,omitempty"`
	Way      string `json:"way,omitempty"` // the way in; none for the proxy's own address
	Alert    string `json:"alert,omitempty"`
	Client   string `json:"client,omitempty"`   // host:port of the device
	Protocol string `json:"protocol,omitempty"` // HTTP/1.1 and the like
	// SentStatus is the status that the device got where response_status is 0: of the
	// proxy's answer for an unreachable server or a refused request.
	SentStatus int `json:"sent_status,omitempty"`

	// The header lists are [name, value] pairs as they were sent. Values that are not
	// UTF-8 are read as Latin-1.
	HeaderList   [][2]string       `json:"headers_list"`
	RespList     [][2]string       `json:"response_headers_list"`
	Trailers     map[string]string `json:"trailers,omitempty"`
	RespTrailers map[string]string `json:"response_trailers,omitempty"`

	BodySize      int64  `json:"body_size"` // bytes transferred
	BodyFile      string `json:"body_file,omitempty"`
	BodyBinary    bool   `json:"body_is_binary,omitempty"`
	BodyEncoding  string `json:"body_encoding,omitempty"` // see ResponseEncoding
	BodyTruncated bool   `json:"body_truncated,omitempty"`

	// ResponseEncoding is the charset of a text that was not UTF-8, "latin-1" when none
	// was named, or the content encoding that the file still has.
	ResponseEncoding  string `json:"response_body_encoding,omitempty"`
	ResponseTruncated bool   `json:"response_truncated,omitempty"`
	// ResponseBroke says that the response broke off. response_size counts the bytes
	// that came, and failure is the reason.
	ResponseBroke bool `json:"response_broke_off,omitempty"`
	// ResponseOffset is where the body begins in response_body_file. It is not 0 when a
	// range of a file was served.
	ResponseOffset int64 `json:"response_body_offset,omitempty"`

	// These say what was left out to keep a message within its limit. EarlierOmitted
	// counts the events before this one that are missing in a list.
	BodyOmitted     bool `json:"body_omitted,omitempty"`
	ResponseOmitted bool `json:"response_body_omitted,omitempty"`
	HeadersOmitted  bool `json:"headers_omitted,omitempty"`
	EarlierOmitted  int  `json:"earlier_events_omitted,omitempty"`

	// Met are the faults and conditions that somebody has set and that the exchange met.
	Met   []string `json:"met,omitempty"`
	Notes []note   `json:"notes,omitempty"`
	// Edits are what was changed of the exchange while it was under way.
	Edits []edit `json:"edits,omitempty"`
	// EditsOmitted says that the texts of Edits were left out.
	EditsOmitted bool `json:"edits_omitted,omitempty"`
}

// edit is an [exchange.Edit].
type edit struct {
	By     string `json:"by"`
	Side   string `json:"side"`
	Part   string `json:"part"`
	Before string `json:"before"`
	After  string `json:"after"`
}

type note struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// Event returns the JSON object that captures show of e. It is always shorter than
// MaxEvent. A body that is binary, or too long for the message, is named by a path:
// [Journal.OpenPath] opens those that are no files.
func (j *Journal) Event(e *Entry) []byte {
	v := j.event(e)
	b := v.json()
	for _, less := range []func(){
		v.leaveOutEdits,
		func() { v.leaveOutResponse(j, e) },
		func() { v.leaveOutBody(j, e) },
		v.leaveOutHeaders,
	} {
		if len(b) <= MaxEvent {
			break
		}
		less()
		b = v.json()
	}
	return b
}

// leaveOutEdits leaves out the texts of edits. That there were some stays.
func (v *event) leaveOutEdits() {
	v.EditsOmitted = len(v.Edits) > 0
	for i := range v.Edits {
		v.Edits[i].Before, v.Edits[i].After = "", ""
	}
}

func (v *event) json() []byte {
	// An event can always be encoded: strings that are not UTF-8 get replacement
	// characters, and Timestamp is finite.
	b, err := jsonvalue.Append(nil, v)
	if err != nil {
		return []byte("{}")
	}
	return b
}

// event returns the event of e, of any size.
func (j *Journal) event(e *Entry) *event {
	sent := e.RequestLines()
	v := &event{
		Timestamp:    Seconds(e.Start.Add(e.Duration)),
		Method:       e.Method,
		URL:          e.URL(),
		Path:         e.Target,
		Headers:      fold(sent, ""),
		Query:        exchange.Values(exchange.QueryOf(e.Target)),
		Status:       e.Status,
		WasMocked:    e.Origin.Mocked(),
		WasPatched:   e.Origin == exchange.FromPatch,
		Duration:     int64(math.Round(e.Duration.Seconds() * 1000)),
		RespHeaders:  map[string]string{},
		Seq:          e.Seq,
		Kind:         "http",
		Origin:       e.Origin.String(),
		Endpoint:     e.Endpoint,
		Source:       e.Source,
		Error:        e.Error,
		SNI:          e.SNI,
		Way:          e.Way,
		Protocol:     e.Proto,
		HeaderList:   Lines(sent),
		RespList:     Lines(e.ResponseHeader),
		Trailers:     fold(e.RequestTrailer, ""),
		RespTrailers: fold(e.ResponseTrailer, ""),
	}
	if e.Client.IsValid() {
		v.Client = e.Client.String()
	}
	v.Met = e.Met()
	for _, n := range e.Notes {
		if n.Level != exchange.Met {
			v.Notes = append(v.Notes, note(n))
		}
	}
	for _, c := range e.Edits {
		v.Edits = append(v.Edits, edit(c))
	}
	if e.Kind == TLSError {
		v.Kind, v.Alert = "tls_error", e.Error
		if v.Method == "" {
			v.Method = http.MethodConnect
		}
		if v.Path == "" {
			v.Path = e.Addr()
		}
		return v
	}
	switch {
	case e.Stream():
		v.setStream(j, e)
		return v
	case e.Kind == Refused:
		v.setRefused(e)
		return v
	}
	v.setBody(j, e)
	if e.Unreachable() {
		if v.Status = 0; !e.Abandoned() {
			v.SentStatus = e.Status
		}
		return v
	}
	if e.Status != 0 {
		v.RespHeaders = fold(e.ResponseHeader, "Content-Encoding")
		v.setLength(e)
		v.setResponse(j, e)
	}
	return v
}

// Seconds returns a time in seconds since 1970, to the microsecond.
func Seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// setLength adds the Content-Length that the proxy added to a response of known size.
func (v *event) setLength(e *Entry) {
	if e.Origin == exchange.FromServer || e.Status < 200 || exchange.Bodiless(e.Method, e.Status) ||
		e.ResponseHeader.Has("Content-Length") || e.ResponseHeader.Has("Transfer-Encoding") {
		return
	}
	v.RespHeaders["Content-Length"] = strconv.FormatInt(e.ResponseBody.Size, 10)
}

// fold returns the header as a map, with the values of a name joined by ", " and without
// the name but. Names have the spelling of their first line.
func fold(h exchange.Header, but string) map[string]string {
	m := make(map[string]string, len(h)+1)
	for _, name := range h.Names() {
		if !exchange.EqualName(name, but) {
			m[name] = h.Joined(name)
		}
	}
	return m
}

// Lines returns the lines of a header as [name, value] pairs. The bytes of a text
// that is not UTF-8 are read as Latin-1.
func Lines(h exchange.Header) [][2]string {
	pairs := make([][2]string, len(h))
	for i, f := range h {
		pairs[i] = [2]string{latin1(f.Name), latin1(f.Value)}
	}
	return pairs
}

// latin1 returns s unchanged if it is UTF-8, else with each byte as the character of the
// same number.
func latin1(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
