package labtest

import (
	"maps"
	"slices"
	"time"

	"starproxy/driver/pb"
)

// lease is a lease's object.
type lease struct {
	name, client string
	selector     string // as the client wrote it
	terms        selector
	wanted       string // the exporter that the client named
	duration     time.Duration
	notBefore    time.Time // zero for at once
	tags         map[string]string
	context      map[string]string
	reason, why  string // why it is pending

	exporter string // empty while it is pending
	begin    time.Time
	end      time.Time // zero while it goes on
	expiry   *time.Timer
}

func (s *lease) active() bool { return s.exporter != "" && s.end.IsZero() }

// schedule gives exporters to the leases that wait, the oldest first; l.mu is
// held.
func (l *Lab) schedule() {
	for _, s := range l.order {
		if s.exporter != "" || !s.end.IsZero() {
			continue
		}
		if time.Now().Before(s.notBefore) {
			s.reason, s.why = "Scheduled", "the lease begins at "+s.notBefore.String()
			continue
		}
		s.reason, s.why = "NotAvailable", "no exporter fits the lease"
		for _, name := range slices.Sorted(maps.Keys(l.exporters)) {
			e := l.exporters[name]
			if !s.fits(e) {
				continue
			}
			if s.reason, s.why = l.busy(e); s.reason == "" {
				l.begin(s, name)
				break
			}
		}
	}
}

// begin gives an exporter to a lease, from the present second on; l.mu is held.
func (l *Lab) begin(s *lease, exporter string) {
	s.exporter = exporter
	s.begin = time.Now().Truncate(time.Second)
	s.expiry = time.AfterFunc(time.Until(s.begin.Add(s.duration)), func() {
		l.edit(func() {
			// A longer duration may have come at the same moment.
			if left := time.Until(s.begin.Add(s.duration)); left > 0 && s.active() {
				s.expiry.Reset(left)
				return
			}
			l.endLease(s)
		})
	})
}

// beginAt keeps a lease from an exporter until a time; l.mu is held.
func (l *Lab) beginAt(s *lease, at time.Time) {
	s.notBefore = at
	// The clock that timers go by may be a little ahead of the one of at.
	time.AfterFunc(time.Until(at)+time.Millisecond, func() { l.edit(func() {}) })
}

// busy returns why an exporter cannot be leased, as the conditions of a lease
// tell it: the reason is empty if it can. l.mu is held.
func (l *Lab) busy(e *Exporter) (reason, message string) {
	switch {
	case e.online == 0:
		return "Offline", "exporter " + e.Name + " is offline"
	case l.leaseOf(e.Name) != nil:
		return "NotAvailable", "exporter " + e.Name + " is leased"
	case e.status != pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE && e.status != pb.ExporterStatus_EXPORTER_STATUS_UNSPECIFIED:
		return "NotReady", "exporter " + e.Name + " is still cleaning up previous lease"
	}
	return "", ""
}

// leaseOf returns the lease that an exporter has, or nil; l.mu is held.
func (l *Lab) leaseOf(exporter string) *lease {
	for _, s := range l.order {
		if s.active() && s.exporter == exporter {
			return s
		}
	}
	return nil
}

func (s *lease) fits(e *Exporter) bool {
	return (s.wanted == "" || s.wanted == e.Name) && s.terms.fits(e.labels)
}

// endLease ends a lease; l.mu is held.
func (l *Lab) endLease(s *lease) {
	if s.end.IsZero() {
		s.end = time.Now()
	}
	if s.expiry != nil {
		s.expiry.Stop()
	}
}
