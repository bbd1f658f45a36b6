package cli

import (
	"errors"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"

	"starproxy/driver/client"
	"starproxy/driver/filter"
)

// filterExpr is a filter expression that has been checked here, so that a
// mistake is told as one of the command line, whatever the exporter.
type filterExpr string

// UnmarshalText takes the value of a flag.
func (f *filterExpr) UnmarshalText(text []byte) error {
	if _, err := filter.Parse(string(text)); err != nil {
		return err
	}
	*f = filterExpr(text)
	return nil
}

// refused makes the failure of a method that was to filter readable: neither
// the stock exporter nor starproxy's first ones can.
func (f filterExpr) refused(err error) error {
	if f != "" && unknownMethod(err) {
		return errors.New("this exporter does not know filter expressions (--filter-expr): it is the stock one or an old starproxy")
	}
	return err
}

// unknownMethod reports whether an exporter failed because it does not know a method or its
// arguments, as the stock one and old versions of this one.
func unknownMethod(err error) bool {
	var e *client.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case codes.Unimplemented:
		return true
	case codes.NotFound:
		return strings.HasSuffix(e.Message, "not found on driver") || strings.HasPrefix(e.Message, "method ")
	case codes.Unknown:
		return strings.Contains(e.Message, "positional argument")
	case codes.InvalidArgument:
		return unwantedArguments.MatchString(e.Message)
	}
	return false
}

// unwantedArguments matches the refusal of a call with more arguments than a method has.
var unwantedArguments = regexp.MustCompile(`want at most \d+ arguments?`)

// operatorHelp lists the operators; a test holds it against filter.Operators.
const operatorHelp = `Operators of EXPR, which is mitmproxy's filter language and more:

    WORD, ~u RE              URL
    ~d RE, ~m RE             host, method
    ~c STATUS                404, 4xx, 200-299, 401,403; not the 502 with which
                             the proxy tells that a server failed: that is ~e
    ~q, ~s, ~e               without a response, with one, failed
    ~b RE, ~bq RE, ~bs RE    body of either, of request, of response; decoded,
                             WebSocket messages too
    ~h RE, ~hq RE, ~hs RE    header lines "Name: value", likewise
    ~t RE, ~tq RE, ~ts RE    Content-Type, likewise
    ~a                       response is a script, style sheet, image or font
    ~src RE, ~dst RE         host:port of the device, of the server
    ~mock RE                 key of the endpoint that answered
    ~mocked, ~patched        not just the real server's answer; patched
    ~unmatched               no mock and no recording had an answer
    ~passthrough             the real server's answer as it is
    ~tls, ~refused           device broke off the TLS handshake, proxy refused
                             what came as a request
    ~slow MS, ~size BYTES    took, or sent in response, at least: 1.5s, 64k
    ~marked, ~marker RE      has a mark, text of the mark
    ~comment RE, ~meta RE    comment; origin, endpoint, source and notes
    ~met RE                  name of a fault or network condition that it met
    ~open                    has not ended
    ~contract                breaks the contract of the scenario
    ~replay, ~replays        answered from a recording (~replayq: none is)
    ~http, ~websocket, ~tcp  kind; ~all is everything (~udp, ~dns: none)
    !A  A & B  A | B  (A)    not, and, or; A B is an "and" that binds weakest

RE is a regular expression that matches anywhere and ignores case. With blanks or any of ( ) ~ ' " it stands in quotes.`
