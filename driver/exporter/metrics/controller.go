package metrics

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"starproxy/driver/pb"
)

// Controller is how the exporter stands with its controller. Its methods may be
// called by any number of goroutines, and do nothing on a nil Controller.
type Controller struct {
	connected, leased  prometheus.Gauge
	reconnects, leases prometheus.Counter
	status             *prometheus.GaugeVec

	mu   sync.Mutex
	now  bool // connected
	ever bool
}

func newController(r *prometheus.Registry) *Controller {
	c := &Controller{
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "starproxy_controller_connected", Help: "1 while the controller tells this exporter of leases, else 0."}),
		reconnects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "starproxy_controller_reconnects_total", Help: "How often the controller came back after it was lost."}),
		leased: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "starproxy_lease_active", Help: "1 while the exporter is leased, else 0."}),
		leases: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "starproxy_leases_total", Help: "Leases that have begun."}),
		status: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "starproxy_exporter_status", Help: "1 for the status that the exporter has, 0 for every other."}, []string{"status"}),
	}
	r.MustRegister(c.connected, c.reconnects, c.leased, c.leases, c.status)
	c.SetStatus(pb.ExporterStatus_EXPORTER_STATUS_UNSPECIFIED, "")
	return c
}

// SetConnected reports whether the controller can be reached. Each time that it
// can again counts as a reconnect.
func (c *Controller) SetConnected(connected bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if connected && !c.now && c.ever {
		c.reconnects.Inc()
	}
	c.now, c.ever = connected, c.ever || connected
	c.connected.Set(number(connected))
}

// SetStatus tells the status that the controller was told; its text is not shown.
func (c *Controller) SetStatus(s pb.ExporterStatus, _ string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range pb.ExporterStatus_name {
		c.status.WithLabelValues(statusWord(pb.ExporterStatus(n))).Set(number(pb.ExporterStatus(n) == s))
	}
}

// LeaseBegan tells that a lease began.
func (c *Controller) LeaseBegan() {
	if c == nil {
		return
	}
	c.leases.Inc()
	c.leased.Set(1)
}

// LeaseEnded tells that the lease is over and torn down.
func (c *Controller) LeaseEnded() {
	if c == nil {
		return
	}
	c.leased.Set(0)
}

// statusWord returns a status in lower case: lease_ready.
func statusWord(s pb.ExporterStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "EXPORTER_STATUS_"))
}

// number returns 1 for true.
func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
