package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"starproxy/driver/tlsfault"
)

type statusCmd struct {
	output
	Serving bool `help:"Exit with 1 unless the proxy runs and takes connections; to be asked on the exporter's machine, by a health check."`
}

// Help explains what a script may rely on.
func (statusCmd) Help() string {
	return `Exits with 0 whether the proxy runs or not, unless --serving is given.

Examples:

    j proxy status
    j proxy status --serving
    j proxy status --json`
}

// proxyStatus is the part of the status that people are shown.
type proxyStatus struct {
	Running      bool        `json:"running"`
	Mode         string      `json:"mode"`
	PID          json.Number `json:"pid"`
	ProxyAddress string      `json:"proxy_address"`
	WebUIEnabled bool        `json:"web_ui_enabled"`
	WebUIAddress string      `json:"web_ui_address"`
	MockCount    json.Number `json:"mock_count"`
	FlowFile     string      `json:"flow_file"`
	// Recording and Replay are ours: how those modes go.
	Recording *struct {
		Flows int    `json:"flows"`
		Lost  uint64 `json:"lost"`
		Error string `json:"error"`
	} `json:"recording"`
	Replay *struct {
		File     string   `json:"file"`
		Answers  int      `json:"answers"`
		Warnings []string `json:"warnings"`
	} `json:"replay"`
	// ScenarioError is ours: why an edited scenario was not taken.
	ScenarioError string `json:"scenario_error"`
	// ScenarioStates is ours: the states of the named scenarios.
	ScenarioStates map[string]string `json:"scenario_states"`
	// Webhooks is ours: the requests that mocks sent.
	Webhooks struct {
		Pending   int    `json:"pending"`
		Sent      uint64 `json:"sent"`
		Failed    uint64 `json:"failed"`
		LastError string `json:"last_error"`
	} `json:"webhooks"`
	// Ways is ours: the ways in, the regular one first.
	Ways []struct {
		Mode    string `json:"mode"`
		Address string `json:"address"`
	} `json:"ways"`
	// TLSFaults is ours: the faults that TLS handshakes meet.
	TLSFaults []tlsfault.Row `json:"tls_faults"`
	// Network is ours: the network profiles that devices are on.
	Network []networkRow `json:"network"`
	// Intercept is ours: which exchanges are held.
	Intercept *interceptStatus `json:"intercept"`
	// FaultPlans is ours: the plans of faults that requests meet.
	FaultPlans []faultPlan `json:"fault_plans"`
	// Clock is ours: the time of a clock that is turned.
	Clock *struct {
		Now    string `json:"now"`
		Frozen bool   `json:"frozen"`
	} `json:"clock"`
	// CAProblem is ours: why devices may refuse the proxy's certificates.
	CAProblem string `json:"ca_problem"`
	// AddonErrors is ours: why addons are not in force as they are on disk.
	AddonErrors map[string]string `json:"addon_errors"`
	// Lease is ours: for whom the exporter serves.
	Lease *struct {
		Name   string `json:"name"`
		Client string `json:"client"`
	} `json:"lease"`
	// Crashes is ours: how often the process of the proxies has died.
	Crashes *struct {
		Count int    `json:"count"`
		Last  string `json:"last"`
	} `json:"crashes"`
}

// Run prints the status.
func (c *statusCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var raw json.RawMessage
	if err := p.document(ctx, &raw, "status"); err != nil {
		return err
	}
	st := proxyStatus{Mode: "unknown", MockCount: "0"}
	if err := json.Unmarshal(raw, &st); err != nil {
		return err
	}
	if c.json() {
		sys.out("%s", raw)
	} else {
		st.print(sys)
	}
	if c.Serving {
		return st.serving(ctx)
	}
	return nil
}

// serving returns the reason why devices of this machine are not served.
func (st *proxyStatus) serving(ctx context.Context) error {
	if !st.Running {
		return errors.New("the proxy does not run")
	}
	host, port, err := net.SplitHostPort(st.ProxyAddress)
	if err != nil {
		return fmt.Errorf("proxy address %q: %w", st.ProxyAddress, err)
	}
	ctx, cancel := context.WithTimeout(ctx, servingTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(reachable(host), port))
	if err != nil {
		return fmt.Errorf("the proxy takes no connections: %w", err)
	}
	return conn.Close()
}

// servingTimeout bounds the wait for a connection; health checks have a few seconds.
const servingTimeout = 2 * time.Second

// print tells people of the status.
func (st *proxyStatus) print(sys *System) {
	surroundings := func() {
		if l := st.Lease; l != nil {
			sys.out("  Lease:   %s (client %s)", l.Name, l.Client)
		}
		if c := st.Crashes; c != nil && c.Count > 0 {
			sys.out("  Error:   its process was started again %d time(s): %s", c.Count, c.Last)
		}
	}
	if !st.Running {
		sys.out("Proxy is not running.")
		surroundings()
		return
	}
	sys.out("Proxy is running (PID %s)", st.PID)
	sys.out("  Mode:    %s", st.Mode)
	sys.out("  Listen:  %s", st.ProxyAddress)
	for _, w := range st.Ways {
		if w.Mode != "regular" {
			sys.out("  Way:     %s at %s", w.Mode, w.Address)
		}
	}
	if st.WebUIEnabled {
		sys.out("  Web UI:  %s", st.WebUIAddress)
	}
	sys.out("  Mocks:   %s endpoint(s)", st.MockCount)
	for _, name := range slices.Sorted(maps.Keys(st.ScenarioStates)) {
		sys.out("  State:   %s: %s", name, st.ScenarioStates[name])
	}
	if w := st.Webhooks; w.Sent+w.Failed+uint64(w.Pending) > 0 {
		sys.out("  After:   %d webhook(s) sent, %d failed, %d pending", w.Sent, w.Failed, w.Pending)
	}
	if e := st.Webhooks.LastError; e != "" {
		sys.out("  Error:   webhook %s", e)
	}
	st.printAdversity(sys)
	surroundings()
	if st.FlowFile != "" {
		sys.out("  Flow:    %s", st.FlowFile)
	}
	if r := st.Recording; r != nil && r.Lost > 0 {
		sys.out("  Error:   %d flow(s) not recorded %s", r.Lost, r.Error)
	}
	if r := st.Replay; r != nil {
		sys.out("  Replay:  %s (%d answers)", r.File, r.Answers)
		for _, w := range r.Warnings {
			sys.out("  Warning: %s", w)
		}
	}
	if st.CAProblem != "" {
		sys.out("  Warning: %s", st.CAProblem)
	}
	if st.ScenarioError != "" {
		sys.out("  Error:   %s", st.ScenarioError)
	}
	for _, name := range slices.Sorted(maps.Keys(st.AddonErrors)) {
		sys.out("  Error:   addon %s: %s", name, st.AddonErrors[name])
	}
}

// printAdversity tells people of all that is set against devices.
func (st *proxyStatus) printAdversity(sys *System) {
	for _, r := range st.TLSFaults {
		sys.out("  TLS:     %s", tlsFaultLine(r))
	}
	for _, r := range st.Network {
		sys.out("  Network: %s", r.line())
	}
	if st.Intercept != nil {
		sys.out("  Held:    %s", printable(st.Intercept.line()))
	}
	for _, f := range st.FaultPlans {
		sys.out("  Fault:   %s", f.line())
	}
	if c := st.Clock; c != nil {
		frozen := ""
		if c.Frozen {
			frozen = " (frozen)"
		}
		sys.out("  Clock:   %s%s", c.Now, frozen)
	}
}
