package labtest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"starproxy/driver/pb"
)

// Exporter is an exporter's object at the controller.
type Exporter struct {
	// Name of the object.
	Name   string
	uid    string
	labels map[string]string

	registers int
	online    int                     // Status streams that are open
	ends      map[chan error]struct{} // what ends each of them
	status    pb.ExporterStatus
	history   []Report
	devices   []*pb.DriverInstanceReport
	gone      string // the reason of Unregister
	listens   int
}

// Report is one status that an exporter reported.
type Report struct {
	Status  pb.ExporterStatus
	Message string
	At      time.Time
}

// String is the name of the status, without its prefix, and the message.
func (r Report) String() string {
	return strings.TrimPrefix(r.Status.String(), "EXPORTER_STATUS_") + " " + r.Message
}

// AddExporter makes an exporter's object, in place of one of that name: the
// tokens of the old one are refused from then on.
func (l *Lab) AddExporter(name string, labels map[string]string) {
	l.edit(func() {
		l.exporters[name] = &Exporter{Name: name, uid: uuid.NewString(), labels: maps.Clone(labels), ends: map[chan error]struct{}{}}
	})
}

// RemoveExporter deletes an exporter's object.
func (l *Lab) RemoveExporter(name string) { l.edit(func() { delete(l.exporters, name) }) }

// Token makes a token for an exporter, or a client, that expires after life.
func (l *Lab) Token(kind, name string, life time.Duration) (string, error) {
	subject, err := l.subject(kind, name)
	if err != nil {
		return "", err
	}
	return l.sign(objectIssuer, objectAudience, subject, life)
}

// ExpireTokens makes the tokens that an exporter, or a client, has got so far
// expire now. Streams that are open go on, as at the real controller.
func (l *Lab) ExpireTokens(kind, name string) error {
	subject, err := l.subject(kind, name)
	if err == nil {
		l.edit(func() { l.expired[subject] = expiry{time.Now(), l.signed.Load()} })
	}
	return err
}

// subject is what the tokens of an object name. The tokens of an exporter name
// its present object.
func (l *Lab) subject(kind, name string) (string, error) {
	if kind != "exporter" {
		return subjectOf(kind, name, ""), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.exporters[name]
	if e == nil {
		return "", fmt.Errorf("no exporter %q", name)
	}
	return subjectOf(kind, name, e.uid), nil
}

// ExporterFile is the head of an exporter's file: everything but export and
// hooks.
func (l *Lab) ExporterFile(name string) (string, error) {
	token, err := l.Token("exporter", name, 24*time.Hour)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nmetadata: {namespace: %s, name: %s}\nendpoint: %s\ntls: {ca: %q, insecure: false}\ntoken: %s\n",
		Namespace, name, l.Endpoint(), base64.StdEncoding.EncodeToString(l.ca), token), nil
}

// ClientFile is a client's configuration for jmp.
func (l *Lab) ClientFile(name string) (string, error) {
	token, err := l.Token("client", name, 24*time.Hour)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("apiVersion: jumpstarter.dev/v1alpha1\nkind: ClientConfig\nmetadata: {namespace: %s, name: %s}\nendpoint: %s\ntls: {ca: %q, insecure: false}\ntoken: %s\ndrivers: {allow: [], unsafe: true}\n",
		Namespace, name, l.Endpoint(), base64.StdEncoding.EncodeToString(l.ca), token), nil
}

// State is what the controller knows of an exporter.
type State struct {
	Online    bool
	Status    pb.ExporterStatus
	Reports   []Report
	Devices   []*pb.DriverInstanceReport
	Registers int
	Listens   int    // of all times
	Gone      string // the reason of Unregister, until the next Register
}

// Exporter returns the state of an exporter, zero if there is none.
func (l *Lab) Exporter(name string) State {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.exporters[name]
	if e == nil {
		return State{}
	}
	return State{e.online > 0, e.status, slices.Clone(e.history), slices.Clone(e.devices), e.registers, e.listens, e.gone}
}

// lease is a lease's object.
type lease struct {
	name, client, selector string
	wanted                 string // the exporter that the client named
	duration               time.Duration
	tags                   map[string]string

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
		for _, name := range slices.Sorted(maps.Keys(l.exporters)) {
			if e := l.exporters[name]; l.free(e) && s.fits(e) {
				s.exporter = name
				s.begin = time.Now().Truncate(time.Second)
				s.expiry = time.AfterFunc(time.Until(s.begin.Add(s.duration)), func() { l.edit(func() { l.endLease(s) }) })
				break
			}
		}
	}
}

// free reports whether an exporter can be leased; l.mu is held.
func (l *Lab) free(e *Exporter) bool {
	if e.online == 0 || e.status != pb.ExporterStatus_EXPORTER_STATUS_AVAILABLE && e.status != pb.ExporterStatus_EXPORTER_STATUS_UNSPECIFIED {
		return false
	}
	return l.leaseOf(e.Name) == nil
}

// leaseOf is the lease that an exporter has, or nil; l.mu is held.
func (l *Lab) leaseOf(exporter string) *lease {
	for _, s := range l.order {
		if s.active() && s.exporter == exporter {
			return s
		}
	}
	return nil
}

func (s *lease) fits(e *Exporter) bool {
	if s.wanted != "" && s.wanted != e.Name {
		return false
	}
	for term := range strings.SplitSeq(s.selector, ",") {
		if key, value, ok := strings.Cut(term, "="); ok && e.labels[strings.TrimSpace(key)] != strings.TrimSpace(value) {
			return false
		}
	}
	return true
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
