package ca

import (
	"crypto/x509"
	"fmt"
	"time"
)

// Devices and test benches boot in 1970, until they learn the time. So every
// decision here is by the wall clock at that moment, and a certificate that was
// issued before the clock was set is issued anew. Times of time.Now would not do:
// they are compared by a monotonic clock, which does not jump.

const (
	day = 24 * time.Hour
	// leafLife is how long a leaf is valid from now on, and early how long it
	// has been then: browsers refuse more than 200 days in all.
	leafLife, early = 197 * day, 2 * day
	// caLife is how long a new CA is valid from now on, as in mitmproxy.
	caLife = 3648 * day
	// margin is how long before its end a leaf is replaced.
	margin = day
)

// wall returns the time of the wall clock.
func wall() time.Time { return time.Now().Round(0) }

// written returns a time at which this code was there already. A clock that
// shows an earlier one is wrong.
func written() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// span is the time in which a certificate is valid.
type span struct{ from, until time.Time }

func spanOf(c *x509.Certificate) span { return span{c.NotBefore, c.NotAfter} }

// holds reports whether all of other is within s.
func (s span) holds(other span) bool {
	return !other.from.Before(s.from) && !other.until.After(s.until)
}

// back returns the time from which a certificate that is issued at now is
// valid. It is not before 1970: not every device can read such a date.
func back(now time.Time) time.Time {
	from := now.Add(-early)
	if epoch := time.Unix(0, 0); from.Before(epoch) && !now.Before(epoch) {
		return epoch.UTC()
	}
	return from
}

// leafSpan returns the validity of a leaf that is made at now.
func leafSpan(now time.Time) span { return span{back(now), now.Add(leafLife)} }

// caSpan returns the validity of a CA that is made at now. It begins in 1970,
// so that it is valid on a device that has just booted, and lasts its ten years
// from the time that it may really be, so that a CA which was made in 1970 is
// still valid when the clock is set.
func caSpan(now time.Time) span {
	from, until := time.Unix(0, 0).UTC(), now
	if now.Before(from) {
		from = back(now)
	}
	if until.Before(written()) {
		until = written()
	}
	return span{from, until.Add(caLife)}
}

// issuerSpan returns the validity of the intermediate CA made at now under a CA
// that is valid in s: all of that, and now, whatever the clock says.
func issuerSpan(s span, now time.Time) span {
	leaf := leafSpan(now)
	if leaf.from.Before(s.from) {
		s.from = leaf.from
	}
	if until := leaf.until.Add(leafLife); until.After(s.until) {
		s.until = until
	}
	return s
}

// fresh reports whether a leaf made at made still serves at now: it is valid,
// not near its end, and the clock has not gone back.
func fresh(made, now time.Time) bool {
	s := leafSpan(made)
	return !now.Before(s.from) && !now.Before(made.Add(-margin)) && now.Before(s.until.Add(-margin))
}

// Remedy is the advice for a [Authority.Problem].
const Remedy = "devices that look at dates refuse it; " +
	"set the clock, or delete the mitmproxy-ca files for a new one to be made, which the devices have to trust"

// Problem returns in one sentence why devices that check dates refuse the CA now: it
// has expired, or is not valid yet. It is empty for a CA that is valid. Like
// mitmproxy we use an invalid one all the same: some devices don't check.
func (a *Authority) Problem() string { return problem(a.cert, a.now()) }

func problem(c *x509.Certificate, now time.Time) string {
	const date = "2006-01-02"
	switch {
	case now.After(c.NotAfter):
		return fmt.Sprintf("the CA certificate expired on %s, and the clock says %s", c.NotAfter.UTC().Format(date), now.UTC().Format(date))
	case now.Before(c.NotBefore):
		return fmt.Sprintf("the CA certificate is valid from %s on, and the clock says %s", c.NotBefore.UTC().Format(date),
			now.UTC().Format(date))
	}
	return ""
}

// Problem is [Authority.Problem] for a certificate by itself, by the clock of
// this machine.
func Problem(c *x509.Certificate) string { return problem(c, wall()) }
