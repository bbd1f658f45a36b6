package flow

// A HAR document is JSON with a list of entries, which can be long. It is read and written
// entry by entry.

// The comments of a HAR document about a body that is missing or still encoded. An import
// understands them.
const (
	notStored = "the body was not stored"
	stillIn   = "still in its content encoding"
)

// harTime is the format of times in HAR.
const harTime = "2006-01-02T15:04:05.000000Z07:00"

type harPair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type harCookie struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Path     string `json:"path,omitempty"`
	Domain   string `json:"domain,omitempty"`
	HTTPOnly bool   `json:"httpOnly"`
	Secure   bool   `json:"secure"`
	SameSite string `json:"sameSite,omitempty"`
}

// harMessage has the fields of requests and of responses. PostData and Content come last,
// because exports write them apart: their text may be large.
type harMessage struct {
	Proto       string      `json:"httpVersion"`
	Cookies     []harCookie `json:"cookies"`
	Headers     []harPair   `json:"headers"`
	HeadersSize int64       `json:"headersSize"`
	BodySize    int64       `json:"bodySize"`
	Trailers    []harPair   `json:"_trailers,omitempty"`
}

type harRequest struct {
	Method string    `json:"method"`
	URL    string    `json:"url"`
	Query  []harPair `json:"queryString"`
	harMessage
	PostData *harText `json:"postData,omitempty"`
}

type harResponse struct {
	Status      int    `json:"status"`
	StatusText  string `json:"statusText"`
	RedirectURL string `json:"redirectURL"`
	Error       string `json:"_error,omitempty"`
	harMessage
	Content *harText `json:"content,omitempty"`
}

// harText is a body. Text is nil when there is none. Exports write it apart.
type harText struct {
	Size        *int64    `json:"size,omitempty"`
	Compression int64     `json:"compression,omitempty"`
	MimeType    string    `json:"mimeType"`
	Params      []harPair `json:"params,omitempty"`
	Encoding    string    `json:"encoding,omitempty"`
	Comment     string    `json:"comment,omitempty"`
	Text        *string   `json:"text,omitempty"`
}

type harSocketMessage struct {
	Type   string  `json:"type"`
	Time   float64 `json:"time"`
	Opcode int     `json:"opcode"`
	Data   string  `json:"data"`
}

// harHello is the fingerprint of the device's connection, a field of our own in an entry.
type harHello struct {
	JA3     string `json:"ja3,omitempty"`
	JA4     string `json:"ja4,omitempty"`
	Resumes bool   `json:"resumes,omitempty"`
}

// harTimings are milliseconds, -1 for what does not apply.
type harTimings struct {
	Blocked float64 `json:"blocked"`
	DNS     float64 `json:"dns"`
	Connect float64 `json:"connect"`
	SSL     float64 `json:"ssl"`
	Send    float64 `json:"send"`
	Wait    float64 `json:"wait"`
	Receive float64 `json:"receive"`

	within bool // Connect includes SSL
}

// sum returns the sum of the timings that apply.
func (t harTimings) sum() float64 {
	var total float64
	for _, ms := range []float64{t.Blocked, t.DNS, t.Connect, t.SSL, t.Send, t.Wait, t.Receive} {
		total += max(ms, 0)
	}
	if t.within {
		total -= max(t.SSL, 0)
	}
	return total
}
