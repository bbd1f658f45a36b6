package handshake

import (
	"context"
	"errors"
	"net"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/hello"
)

// The reasons of verdicts.
const (
	wordless  = "it left without a word"
	pinsHost  = "it pins this host: it accepts our certificate for others"
	mayPin    = "it may pin this host: it left without a word after the handshake, and accepts our certificate for others"
	leftAfter = "it left without a word after the handshake: a program that pins its host does so, " +
		"and so does one that connects in advance"
	unreadable    = "most likely the device does not trust the CA: it sent an alert that can't be read"
	leftBefore    = "it left before it had our certificate"
	fellSilent    = "it fell silent during the handshake"
	closedByProxy = "it sent nothing until the proxy closed the connection"
)

// Failure is what is known of a handshake that failed.
type Failure struct {
	// Err is the error of crypto/tls, and Last are the last bytes that came.
	Err  error
	Last []byte
	// Shown reports whether the device had our certificate.
	Shown bool
	// Problem is that of the CA's dates, empty for none: a device refuses such a CA
	// although it trusts it.
	Problem string
}

// Verdict returns how the handshake ended.
func (f *Failure) Verdict() Verdict {
	err := f.Err
	if a, ok := hello.Received(err); ok {
		return alerted(a, f.Problem)
	}
	text := strings.TrimPrefix(err.Error(), "tls: ")
	var timeout net.Error
	switch broken := (&exchange.DeviceError{Err: err}); {
	case f.Shown && strings.HasSuffix(text, "bad record MAC"):
		if a, ok := hello.Plain(f.Last); ok {
			return alerted(a, f.Problem)
		}
		return Verdict{Ending: Rejected, Reason: because(f.Problem, unreadable)}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Verdict{Ending: Left, Reason: fellSilent}
	case errors.Is(err, net.ErrClosed):
		return Verdict{Ending: Left, Reason: closedByProxy}
	case broken.Left() && f.Shown:
		return Verdict{Ending: Rejected, Reason: because(f.Problem, wordless)}
	case broken.Left():
		return Verdict{Ending: Left, Reason: leftBefore}
	}
	return disagreed(text)
}

// because returns the problem if there is one, or else the reason.
func because(problem, reason string) string {
	if problem != "" {
		return problem
	}
	return reason
}

// alerted returns the verdict of a device that sent an alert.
func alerted(a hello.Alert, problem string) Verdict {
	v := Verdict{Ending: Rejected, Alert: a, Alerted: true, Reason: a.Meaning()}
	if a.Doubts() || a == hello.CertificateExpired {
		v.Reason = because(problem, v.Reason)
	}
	return v
}

// disagreed returns the verdict on a handshake that our side ended, by the text of
// crypto/tls.
func disagreed(text string) Verdict {
	for _, of := range []struct{ sign, reason string }{
		{"unsupported versions", "no common version"},
		{"protocol version", "no common version"},
		{"cipher suite", "no common cipher suite"},
		{"curve", "no common group for the key exchange"},
		{"key share", "no common group for the key exchange"},
		{"signature algorithm", "no common signature algorithm"},
		{"application protocol", "no common protocol in ALPN"},
		{"does not look like a TLS handshake", "it sent something else than TLS"},
	} {
		if strings.Contains(text, of.sign) {
			return Verdict{Ending: Rejected, Reason: of.reason, Early: true}
		}
	}
	return Verdict{Ending: Rejected, Reason: "the handshake failed: " + text}
}

// Came returns the verdict that a read after the handshake leads to, of n bytes and an
// error. It reports false while there is none.
func Came(n int, err error) (Verdict, bool) {
	var timeout net.Error
	switch a, refused := hello.Received(err); {
	case n > 0:
		return Verdict{Ending: Trusted}, true
	case err == nil, errors.As(err, &timeout) && timeout.Timeout():
		return Verdict{}, false
	case refused:
		return alerted(a, ""), true
	case errors.Is(err, net.ErrClosed):
		return Verdict{Ending: Left, Reason: closedByProxy}, true
	}
	return Verdict{Ending: Left, Reason: leftAfter}, true
}

// Closed is the verdict on a device that had sent nothing when its connection was
// closed.
func Closed() Verdict { return Verdict{Ending: Left, Reason: closedByProxy} }

// Unasked returns the verdict on a device that sent something else than a ClientHello.
// Reason is one sentence.
func Unasked(reason string) Verdict { return Verdict{Ending: NeverOffered, Reason: reason} }
