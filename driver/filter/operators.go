package filter

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/builtins/nearest"
	"starproxy/driver/capture"
)

// ArgKind is the kind of argument that an operator takes.
type ArgKind string

// The kinds of arguments.
const (
	NoArg  ArgKind = ""
	Regex  ArgKind = "regex"  // RE2
	Status ArgKind = "status" // 404, 4xx, 200-299, or several with commas
	Millis ArgKind = "ms"     // a time: 250, 250ms, 1.5s
	Size   ArgKind = "bytes"  // a size: 1000, 64k, 1.5m
)

// wanted describes the argument in an error message.
func (k ArgKind) wanted() string {
	switch k {
	case Status:
		return "a status (404, 4xx, 200-299, 401,403)"
	case Millis:
		return "a time in milliseconds (250, 1.5s)"
	case Size:
		return "a size in bytes (1000, 64k, 2m)"
	}
	return "a regular expression"
}

// Operator describes an operator of filter expressions, for help texts.
type Operator struct {
	// Name is without the leading ~.
	Name string  `json:"name"`
	Arg  ArgKind `json:"arg"`
	Help string  `json:"help"`
}

// operator is a row of the table of operators.
type operator struct {
	Operator
	cost cost
	mode string // flags of the regular expression
	test func(s *subject, a *argument) bool
}

// argument is a parsed argument. The operator's ArgKind decides which field is set.
type argument struct {
	re     *pattern
	ranges [][2]int
	number int64 // nanoseconds or bytes
	// seen makes the argument hold for nothing, and gets each number instead. It is nil
	// for an argument of an expression. See [SubjectsOf].
	seen func(n int64)
}

// holds reports whether a number is in one of the ranges of a Status, or not less than a
// Millis or Size.
func (a *argument) holds(n int64) bool {
	switch {
	case a.seen != nil:
		a.seen(n)
		return false
	case a.ranges == nil:
		return n >= a.number
	}
	return slices.ContainsFunc(a.ranges, func(r [2]int) bool { return int64(r[0]) <= n && n <= int64(r[1]) })
}

// set parses the argument of op. When ok is false, reason may say more, as the
// rest of a sentence.
func (a *argument) set(op *operator, text string) (reason string, ok bool) {
	switch op.Arg {
	case Regex:
		var err error
		if a.re, err = newPattern(text, op.mode); err != nil {
			return ": " + err.Error(), false
		}
		return "", true
	case Status:
		a.ranges, ok = parseStatus(text)
	case Millis:
		a.number, ok = parseNumber(text, map[string]float64{"": 1e6, "ms": 1e6, "s": 1e9})
	case Size:
		a.number, ok = parseNumber(text, map[string]float64{"": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20,
			"g": 1 << 30, "gb": 1 << 30})
	}
	return "", ok
}

// parseStatus parses statuses, classes (4xx) and ranges, separated by commas.
func parseStatus(text string) (ranges [][2]int, ok bool) {
	number := func(s string) (n int, ok bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && len(s) == 3 && n >= 100
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if class, found := strings.CutSuffix(strings.ToLower(part), "xx"); found {
			first, last, isRange = class+"00", class+"99", true
		}
		if !isRange {
			last = first
		}
		low, ok1 := number(first)
		high, ok2 := number(last)
		if !ok1 || !ok2 || low > high {
			return nil, false
		}
		ranges = append(ranges, [2]int{low, high})
	}
	return ranges, true
}

// parseNumber parses a number with one of the units and returns it in the base unit.
func parseNumber(text string, units map[string]float64) (int64, bool) {
	n := len(text) - len(strings.TrimLeft(text, "0123456789."))
	unit, known := units[strings.ToLower(text[n:])]
	f, err := strconv.ParseFloat(text[:n], 64)
	if !known || err != nil || f*unit >= 1<<62 {
		return 0, false
	}
	return int64(math.Ceil(f * unit)), true
}

// rows has all operators, those in daily use first.
var rows = []operator{
	{Operator{"u", Regex, "URL; a word alone is looked for there, too"}, costText, "",
		func(s *subject, a *argument) bool { return s.url(a.re) }},
	{Operator{"d", Regex, "host name"}, costText, "", func(s *subject, a *argument) bool { return s.host(a.re) }},
	{Operator{"m", Regex, "method"}, costText, "", func(s *subject, a *argument) bool { return s.method(a.re) }},
	{Operator{"c", Status, "status of the response"}, costField, "",
		func(s *subject, a *argument) bool { return s.answered() && a.holds(int64(s.e.Status)) }},
	{Operator{"b", Regex, "body of request or response, a WebSocket's message, bytes of a TCP stream, or what came of a refused " +
		"request"}, costBody, "s", func(s *subject, a *argument) bool { return s.body(a.re, request, response) }},
	{Operator{"bq", Regex, "body of the request, a message of the device, or what came of a refused request"}, costBody, "s",
		func(s *subject, a *argument) bool { return s.body(a.re, request) }},
	{Operator{"bs", Regex, "body of the response, or a message of the server"}, costBody, "s",
		func(s *subject, a *argument) bool { return s.body(a.re, response) }},
	{Operator{"h", Regex, "header line (Name: value) of request or response"}, costBlock, "m",
		func(s *subject, a *argument) bool { return s.header(a.re, request, response) }},
	{Operator{"hq", Regex, "header line of the request"}, costBlock, "m",
		func(s *subject, a *argument) bool { return s.header(a.re, request) }},
	{Operator{"hs", Regex, "header line of the response"}, costBlock, "m",
		func(s *subject, a *argument) bool { return s.header(a.re, response) }},
	{Operator{"t", Regex, "Content-Type of request or response"}, costText, "",
		func(s *subject, a *argument) bool { return s.contentType(a.re, request, response) }},
	{Operator{"tq", Regex, "Content-Type of the request"}, costText, "",
		func(s *subject, a *argument) bool { return s.contentType(a.re, request) }},
	{Operator{"ts", Regex, "Content-Type of the response"}, costText, "",
		func(s *subject, a *argument) bool { return s.contentType(a.re, response) }},
	{Operator{"a", NoArg, "asset: the response is a script, style sheet, image or font"}, costText, "",
		func(s *subject, _ *argument) bool { return s.contentType(assets, response) }},
	{Operator{"src", Regex, "address of the device, host:port, or its name"}, costText, "",
		func(s *subject, a *argument) bool { return s.device(a.re) }},
	{Operator{"dst", Regex, "address of the server, host:port"}, costText, "",
		func(s *subject, a *argument) bool { return s.server(a.re) }},
	{Operator{"q", NoArg, "request without a response"}, costField, "",
		func(s *subject, _ *argument) bool { return s.http() && !s.answered() }},
	{Operator{"s", NoArg, "request with a response"}, costField, "", func(s *subject, _ *argument) bool { return s.answered() }},
	{Operator{"e", NoArg, "something failed"}, costField, "", func(s *subject, _ *argument) bool { return s.e.Error != "" }},

	{Operator{"mock", Regex, "key of the endpoint that answered: GET /api/x"}, costText, "",
		func(s *subject, a *argument) bool { return s.e.Endpoint != "" && a.re.text(s.e.Endpoint) }},
	{Operator{"mocked", NoArg, "a mock, a patch or a recording made the response or changed it"}, costField, "",
		func(s *subject, _ *argument) bool { return s.e.Origin.Mocked() }},
	{Operator{"patched", NoArg, "a patch changed the real server's response"}, costField, "",
		func(s *subject, _ *argument) bool { return s.e.Origin == exchange.FromPatch }},
	{Operator{"passthrough", NoArg, "the response is the real server's own"}, costField, "", func(s *subject, _ *argument) bool {
		return s.http() && s.e.Origin == exchange.FromServer
	}},
	{Operator{"unmatched", NoArg, "no mock and no recording had an answer, whoever gave one"}, costField, "",
		func(s *subject, _ *argument) bool { return s.e.Unmatched }},
	{Operator{"tls", NoArg, "the device broke off the TLS handshake, or met a TLS fault in it"}, costField, "",
		func(s *subject, _ *argument) bool { return s.e.Kind == capture.TLSError }},
	{Operator{"refused", NoArg, "the proxy refused the request: it is malformed, or of an unknown proxy user"}, costField, "",
		func(s *subject, _ *argument) bool { return s.refused() }},
	{Operator{"slow", Millis, "took at least so many milliseconds"}, costField, "",
		func(s *subject, a *argument) bool { return s.http() && a.holds(int64(s.e.Duration)) }},
	{Operator{"size", Size, "the response was sent in at least so many bytes"}, costField, "",
		func(s *subject, a *argument) bool { return s.answered() && a.holds(s.e.ResponseBody.Size) }},

	{Operator{"marked", NoArg, "has a mark"}, costField, "", func(s *subject, _ *argument) bool { return s.mark() != "" }},
	{Operator{"marker", Regex, "text of the mark"}, costText, "", func(s *subject, a *argument) bool { return a.re.text(s.mark()) }},
	{Operator{"comment", Regex, "text of the comment"}, costText, "m",
		func(s *subject, a *argument) bool { return a.re.text(s.comment()) }},
	{Operator{"met", Regex, "name of a fault or network condition that was set and that the exchange met"}, costText, "",
		func(s *subject, a *argument) bool { return slices.ContainsFunc(s.e.Met(), a.re.text) }},
	{Operator{"open", NoArg, "has not ended: an exchange in flight, a WebSocket or a stream"}, costField, "",
		func(s *subject, _ *argument) bool { return s.e.Open }},
	{Operator{"meta", Regex, "origin, endpoint, source and notes, a line (key: value) for each"}, costText, "m",
		func(s *subject, a *argument) bool { return a.re.text(s.metadata()) }},
	{Operator{"contract", NoArg, "breaks the contract of the scenario"}, costText, "",
		func(s *subject, _ *argument) bool { return s.breaksContract() }},
	{Operator{"replay", NoArg, "replayed from a recording"}, costField, "", (*subject).replayed},
	{Operator{"replays", NoArg, "the response was replayed"}, costField, "", (*subject).replayed},
	{Operator{"replayq", NoArg, "the request was replayed: none is"}, costField, "", never},
	{Operator{"all", NoArg, "everything"}, costField, "", func(*subject, *argument) bool { return true }},
	{Operator{"http", NoArg, "HTTP exchange"}, costField, "", func(s *subject, _ *argument) bool { return s.http() }},
	{Operator{"websocket", NoArg, "WebSocket"}, costField, "", func(s *subject, _ *argument) bool { return s.websocket() }},
	{Operator{"tcp", NoArg, "TCP stream: a tunnel that carries no HTTP"}, costField, "",
		func(s *subject, _ *argument) bool { return s.tcp() }},
	{Operator{"udp", NoArg, "UDP stream: none is captured"}, costField, "", never},
	{Operator{"dns", NoArg, "DNS question: none is captured"}, costField, "", never},
}

func never(*subject, *argument) bool { return false }

// operators has the rows by name.
var operators = func() map[string]*operator {
	m := make(map[string]*operator, len(rows))
	for i := range rows {
		m[rows[i].Name] = &rows[i]
	}
	return m
}()

// Operators returns all operators, those in daily use first.
func Operators() []Operator {
	list := make([]Operator, len(rows))
	for i := range rows {
		list[i] = rows[i].Operator
	}
	return list
}

// suggestion returns the hint for an unknown operator: a similar one, or all.
func suggestion(name string) string {
	names := make([]string, len(rows))
	for i := range rows {
		names[i] = rows[i].Name
	}
	if known := similar(strings.ToLower(name), names); known != "" {
		return fmt.Sprintf("did you mean ~%s?", known)
	}
	slices.Sort(names)
	return "expected one of ~" + strings.Join(names, " ~")
}

// similar returns the first of names that is name followed by a number (~c200) or cut
// short, else the nearest one. Most names of less than four letters are near to some
// other, so they have no nearest one. Without a similar one it returns "".
func similar(name string, names []string) string {
	for _, known := range names {
		if strings.TrimRight(name, "0123456789") == known || len(name) > 2 && strings.HasPrefix(known, name) {
			return known
		}
	}
	if len(name) < 4 {
		return ""
	}
	return nearest.Name(name, names)
}
