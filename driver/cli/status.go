package cli

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

type statusCmd struct {
	JSON bool `name:"json" help:"Print the exporter's own answer, JSON with more details."`
}

// Help says what a script may rely on.
func (statusCmd) Help() string {
	return `Exits with 0 whether the proxy runs or not.

Examples:

    j proxy status
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
	if c.JSON {
		sys.out("%s", raw)
		return nil
	}
	st := proxyStatus{Mode: "unknown", MockCount: "0"}
	if err := json.Unmarshal(raw, &st); err != nil {
		return err
	}
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
		return nil
	}
	sys.out("Proxy is running (PID %s)", st.PID)
	sys.out("  Mode:    %s", st.Mode)
	sys.out("  Listen:  %s", st.ProxyAddress)
	if st.WebUIEnabled {
		sys.out("  Web UI:  %s", st.WebUIAddress)
	}
	sys.out("  Mocks:   %s endpoint(s)", st.MockCount)
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
	return nil
}
