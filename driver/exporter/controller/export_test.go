package controller

import (
	"strings"
	"testing"

	"starproxy/driver/pb"
)

// Lab is the stand-in for tests of the whole program.
type Lab struct{ *lab }

// NewLab starts one.
func NewLab(t testing.TB) Lab { return Lab{newLab(t)} }

// File is the text of an exporter file for it.
func (l Lab) File() string {
	return "metadata: {namespace: default, name: bench}\nendpoint: " + l.addr + "\ntoken: good\ntls: {ca: " + l.caPEM + "}\n"
}

// SetLease begins a lease, or ends it with an empty name.
func (l Lab) SetLease(name string) { l.setLease(name) }

// AwaitStatus waits until the newest status begins with text.
func (l Lab) AwaitStatus(text string) { l.t.Helper(); l.awaitStatus(text) }

// Ready connects a client and waits until the lease is ready.
func (l Lab) Ready(t testing.TB, lease string) pb.ExporterServiceClient {
	c := l.mustClient(lease)
	c.awaitStatus(t, statusReady)
	return c
}

// Statuses are those that the exporter has reported.
func (l Lab) Statuses() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.statuses, "; ")
}
