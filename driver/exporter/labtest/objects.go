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

	calls     []Call
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

// String returns the name of the status, without its prefix, and the message.
func (r Report) String() string {
	return strings.TrimPrefix(r.Status.String(), "EXPORTER_STATUS_") + " " + r.Message
}

// Call is one call that an exporter made.
type Call struct {
	Method string // Register, Unregister, ReportStatus, ReleaseLease, Status or Listen
	Lease  string // of Listen and ReleaseLease
	At     time.Time
}

// note keeps a call; l.mu is held.
func (e *Exporter) note(method, lease string) {
	e.calls = append(e.calls, Call{method, lease, time.Now()})
}

// AddExporter makes an exporter's object, in place of one of that name: the
// tokens of the old one are refused from then on.
func (l *Lab) AddExporter(name string, labels map[string]string) {
	l.edit(func() {
		e := &Exporter{Name: name, uid: uuid.NewString(), labels: map[string]string{}, ends: map[chan error]struct{}{}}
		maps.Copy(e.labels, labels)
		l.exporters[name] = e
	})
}

// Dials returns how many tokens for tunnels clients were given.
func (l *Lab) Dials() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dials
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

// ExporterFile returns the head of an exporter's file: everything but export
// and hooks.
func (l *Lab) ExporterFile(name string) (string, error) {
	token, err := l.Token("exporter", name, 24*time.Hour)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nmetadata: {namespace: %s, name: "+
		"%s}\nendpoint: %s\ntls: {ca: %q, insecure: false}\ntoken: %s\n",
		Namespace, name, l.Endpoint(), base64.StdEncoding.EncodeToString(l.ca), token), nil
}

// ClientFile returns a client's configuration for jmp.
func (l *Lab) ClientFile(name string) (string, error) {
	token, err := l.Token("client", name, 24*time.Hour)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("apiVersion: jumpstarter.dev/v1alpha1\nkind: ClientConfig\nmetadata: {namespace: %s, name: %s}\nendpoint: "+
		"%s\ntls: {ca: %q, insecure: false}\ntoken: %s\ndrivers: {allow: [], unsafe: true}\n",
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
	Calls     []Call // that were not refused, the oldest first
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
	return State{e.online > 0, e.status, slices.Clone(e.history), slices.Clone(e.devices), e.registers, e.listens,
		slices.Clone(e.calls), e.gone}
}
