package driver

import (
	"context"
	"net/netip"
	"os"

	"starproxy/builtins/follow"
	"starproxy/driver/capture"
	"starproxy/driver/endpoints"
	"starproxy/driver/flow"
	"starproxy/driver/handshake"
	"starproxy/driver/network"
	"starproxy/driver/proxy"
	"starproxy/driver/rpc"
	"starproxy/driver/tlsfault"
	"starproxy/driver/view"
)

// statusReport is the JSON of status; the stock driver's keys come first.
type statusReport struct {
	Running      bool    `json:"running"`
	Mode         string  `json:"mode"`
	PID          *int    `json:"pid"`
	ProxyAddress *string `json:"proxy_address"`
	WebUIEnabled bool    `json:"web_ui_enabled"`
	WebUIAddress *string `json:"web_ui_address"`
	MockCount    int     `json:"mock_count"`
	FlowFile     *string `json:"flow_file"`

	// Unmatched is the configured behaviour: passthrough or reject.
	Unmatched string `json:"unmatched"`
	// Scenario is the file that the endpoints were loaded from.
	Scenario *string `json:"scenario"`
	// ScenarioError is the reason why the file on disk is not in force.
	ScenarioError *string `json:"scenario_error"`
	// ScenarioStates are the states of the named scenarios, by name.
	ScenarioStates map[string]string `json:"scenario_states"`
	// Webhooks counts the requests that mocks send after their answers.
	Webhooks webhookStatus `json:"webhooks"`
	// Ways are the ways in of a proxy that runs, the regular one first.
	Ways []wayStatus `json:"ways"`
	// TLSFaults are the faults that TLS handshakes meet.
	TLSFaults []tlsfault.Row `json:"tls_faults"`
	// Handshakes counts the TLS handshakes of devices by how they ended.
	Handshakes map[handshake.Ending]uint64 `json:"handshakes"`
	// Network are the network profiles that devices are on.
	Network []network.Row `json:"network"`
	// Intercept tells which exchanges are held, and how many are; null while none are to be.
	Intercept *interceptStatus `json:"intercept"`
	// FaultPlans are the plans of faults that requests meet.
	FaultPlans []faultPlanRow `json:"fault_plans"`
	// AddonErrors are, by name, the reasons why addons are not in force as they are
	// on disk.
	AddonErrors map[string]string `json:"addon_errors"`
	// Recording counts the flows that record mode has written.
	Recording *flow.RecorderStats `json:"recording"`
	// Replay describes the recording of replay mode.
	Replay *replayReport `json:"replay"`
	// CAProblem is the reason why devices may refuse our certificates: the CA has
	// expired, is not valid yet, or can't be read.
	CAProblem *string `json:"ca_problem"`
	// Lease is the lease during which the exporter serves; null without a controller.
	Lease *Lease `json:"lease"`
	// Crashes counts how often the process of the proxies has died during the
	// session; null where they have none of their own.
	Crashes *Crashes `json:"crashes"`
	// Clock is the clock of scripts, mocks and certificates; null while it shows the time
	// of the system.
	Clock *clockReport `json:"clock"`
	// Devices are the names of devices by their address.
	Devices map[netip.Addr]string `json:"devices"`
	// Captures counts the exchanges that the journal holds and has dropped.
	Captures any `json:"captures"`
	// Changes counts the changes of what lists show beside the captures: mocks, scripts,
	// shared state, and uploaded recordings. A reader of lists reads them again when it
	// has grown.
	Changes uint64 `json:"changes"`
}

// replayReport is the part of status about a recording that answers.
type replayReport struct {
	File     string   `json:"file"`
	Answers  int      `json:"answers"`
	Warnings []string `json:"warnings"`
}

// reporter describes the present state of a proxy.
type reporter struct {
	unmatched  Unmatched
	lease      *Lease
	crashes    *Crashes
	life       *lifecycle
	web        *webUI
	endpoints  *endpoints.Service
	files      *follow.Notice // of recordings
	states     *stateMethods
	webhooks   *webhooks
	tlsFaults  *tlsFaults
	networks   *networks
	holds      *holds
	faultPlans *faultPlans
	handshakes *handshake.Log
	clocks     *clockMethods
	authority  *authority
	journal    *capture.Journal
	counters   *proxy.Counters
	looks      *view.Service
}

// rows are for the table of methods.
func (r *reporter) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("status", "Tell as JSON what runs where.", r.status),
		rpc.New("watch_status", "Stream the status when it changes.", r.watchStatus),
		rpc.New("get_metrics", "Give the counters of the proxy as JSON.", r.getMetrics),
	}
}

func (r *reporter) status(context.Context) (*statusReport, error) { return r.report(), nil }

// report returns the status as it is.
func (r *reporter) report() *statusReport {
	s := &statusReport{
		Mode: modeStopped, MockCount: r.endpoints.Table().Len(), Unmatched: string(r.unmatched),
		ScenarioStates: map[string]string{}, Ways: []wayStatus{}, Webhooks: r.webhooks.status(), TLSFaults: r.tlsFaults.table.List(),
		Network:    r.networks.table.List(),
		Intercept:  r.holds.status(),
		FaultPlans: r.faultPlans.status(), Handshakes: r.handshakes.Counts(),
		AddonErrors: r.endpoints.AddonFaults(), Lease: r.lease, Crashes: r.crashes, Captures: r.journal.Stats(), Devices: r.looks.Devices(),
		Changes: r.endpoints.Changes() + r.states.state.Changes() + r.files.Count(),
	}
	if now := r.life.run.Load(); now != nil {
		s.run(now)
	}
	if r.clocks.clock.Name() != "" {
		s.Clock = r.clocks.report()
	}
	if address := r.web.url(); address != "" {
		s.WebUIEnabled, s.WebUIAddress = true, &address
	}
	if o, ok := r.endpoints.Origin(); ok {
		if s.Scenario = &o.Path; o.Fault != "" {
			s.ScenarioError = &o.Fault
		}
	}
	for name, now := range r.states.scenarios() {
		s.ScenarioStates[name] = now.State
	}
	s.Webhooks.Pending = r.endpoints.Script.Pending()
	if text := r.authority.Problem(); text != "" {
		s.CAProblem = &text
	}
	return s
}

// run fills in what is known of a proxy that runs.
func (s *statusReport) run(r *running) {
	pid := os.Getpid()
	s.Running, s.Mode, s.PID, s.ProxyAddress = true, r.mode, &pid, &r.address
	s.Ways = r.ways()
	if r.recorder != nil {
		stats, path := r.recorder.Stats(), r.recorder.Path()
		s.FlowFile, s.Recording = &path, &stats
	}
	if r.replay != nil {
		s.Replay = &replayReport{r.replayFile, r.replay.Len(), append([]string{}, r.replay.Warnings()...)}
	}
}
