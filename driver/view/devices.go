package view

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"starproxy/builtins/follow"
	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

const (
	// maxDevices bounds how many devices have names.
	maxDevices = 1000
	// maxName bounds the length of a name, in bytes.
	maxName = 100
)

// devices are the names that people gave devices, by their address.
type devices struct {
	mu      sync.Mutex
	names   map[netip.Addr]string
	changed follow.Notice
}

func newDevices(names map[netip.Addr]string) *devices {
	d := &devices{names: map[netip.Addr]string{}}
	for a, name := range names {
		d.names[a.Unmap()] = name
	}
	return d
}

// Device returns the name of the device with an address, "" when it has none.
func (d *devices) Device(a netip.Addr) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[a]
}

func (d *devices) set(a netip.Addr, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, known := d.names[a]
	switch {
	case name == "":
		delete(d.names, a)
	case !known && len(d.names) >= maxDevices:
		return fmt.Errorf("%d devices have names, which is the most", maxDevices)
	default:
		d.names[a] = name
	}
	d.changed.Notify()
	return nil
}

// Devices returns the names of devices by their address.
func (s *Service) Devices() map[netip.Addr]string {
	s.devices.mu.Lock()
	defer s.devices.mu.Unlock()
	return maps.Clone(s.devices.names)
}

// DevicesChanged returns a channel that is closed when a device gets another name.
func (s *Service) DevicesChanged() <-chan struct{} { return s.devices.changed.Changed() }

// CheckDeviceName returns the reason why a text is no name of a device.
func CheckDeviceName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("got %d bytes, want at most %d", len(name), maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("got %q, want a name without control characters", name)
	}
	return nil
}

func (s *Service) nameDevice(_ context.Context, address, name string) (string, error) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "name_device: argument address: got %.100q, want an IP address", address)
	}
	name = strings.TrimSpace(name)
	if err := CheckDeviceName(name); err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "name_device: argument name: %v", err)
	}
	if err := s.devices.set(a.Unmap(), name); err != nil {
		return "", rpc.Refuse(rpc.FailedPrecondition, "name_device: %v", err)
	}
	if name == "" {
		return fmt.Sprintf("Device %s has no name", a.Unmap()), nil
	}
	return fmt.Sprintf("Device %s is %s", a.Unmap(), name), nil
}

// namesIn returns the names of devices in the status of a session; those that are none are
// left out.
func namesIn(status []byte) map[netip.Addr]string {
	var s struct {
		Devices map[netip.Addr]string `json:"devices"`
	}
	if json.Unmarshal(status, &s) != nil {
		return nil
	}
	maps.DeleteFunc(s.Devices, func(_ netip.Addr, name string) bool { return name == "" || CheckDeviceName(name) != nil })
	if len(s.Devices) > maxDevices {
		return nil
	}
	return s.Devices
}

// counted is how many exchanges a host or a device has.
type counted struct {
	Name   string `json:"name"` // the host, or the address of the device
	Title  string `json:"title,omitempty"`
	Count  int    `json:"count"`
	Errors int    `json:"errors"`
}

// counts are the exchanges by host and by device. Other counts those beyond maxCounted.
type counts struct {
	Hosts   []counted `json:"hosts"`
	Devices []counted `json:"devices"`
	Other   int       `json:"other,omitempty"`
}

// maxCounted bounds the hosts, and the devices, that are counted apart.
const maxCounted = 2000

// count sums up the exchanges that the journal holds, by name.
func (s *Service) count(ctx context.Context) (*counts, error) {
	all := &counts{}
	hosts, clients := map[string]*counted{}, map[string]*counted{}
	for e := range s.Journal.All(nil) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		all.add(hosts, cmp.Or(e.Host, e.SNI), e)
		if e.Client.IsValid() {
			all.add(clients, e.Client.Addr().Unmap().String(), e)
		}
	}
	names := s.Devices()
	for a, name := range names {
		if c := clients[a.String()]; c != nil {
			c.Title = name
		}
	}
	all.Hosts, all.Devices = sorted(hosts), sorted(clients)
	return all, nil
}

func (c *counts) add(to map[string]*counted, name string, e *capture.Entry) {
	if name == "" {
		return
	}
	one := to[name]
	if one == nil {
		if len(to) == maxCounted {
			c.Other++
			return
		}
		one = &counted{Name: name}
		to[name] = one
	}
	one.Count++
	if hasFailed(e) {
		one.Errors++
	}
}

// hasFailed reports whether an exchange was refused or failed, or has a status that tells of
// a failure of the server.
func hasFailed(e *capture.Entry) bool {
	if e.Kind == capture.HTTP {
		o := e.Outcome()
		return o == capture.Failed || o == capture.Rejected || e.Status >= http.StatusInternalServerError
	}
	return e.Kind == capture.TLSError || e.Kind == capture.Refused || e.Error != ""
}

func sorted(all map[string]*counted) []counted {
	list := []counted{}
	for _, c := range all {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b counted) int { return strings.Compare(a.Name, b.Name) })
	return list
}
