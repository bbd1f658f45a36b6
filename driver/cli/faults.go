package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"starproxy/builtins/disk"
)

// faultsCommands is the grammar of "faults".
type faultsCommands struct {
	Set   faultsSetCmd   `cmd:"" help:"Put plans of faults in force."`
	List  faultsListCmd  `cmd:"" help:"List the plans in force."`
	Clear faultsClearCmd `cmd:"" help:"Remove plans."`
	Event faultsEventCmd `cmd:"" help:"Tell that an event has happened, from which plans count their times."`
}

type faultsSetCmd struct {
	File string `arg:"" help:"File with plans in YAML or JSON; - for standard input."`
	Name string `name:"name" placeholder:"NAME" help:"Name of the plan, if the file has only one."`
}

// Help shows plans.
func (faultsSetCmd) Help() string {
	return `The file has one plan, a list of plans, or a scenario with plans under the key "faults". They come before those of the loaded scenario, and take the place of plans of the same name, until "faults clear" or "mock reset".

    - name: cut
      match: GET /fw/*              # default: every request
      when: {nth: 1}                # every, probability, times, from, to, since, per
      do: {kind: truncate, after: 60%}

Kinds of faults:

    reset, close, stall, garbage    in place of the answer, or after: bytes or a share
    truncate                        the body ends early
    drip, corrupt                   the body comes slowly, or with wrong bytes
    wrong_length, duplicate         Content-Length is wrong, the body comes twice
    status                          an error of a server, with Retry-After
    redirect_loop                   redirects that do not end

Examples:

    j proxy faults set faults.yaml
    echo '{match: GET /fw.bin, when: {probability: 0.1}, do: reset}' | j proxy faults set - --name flaky`
}

// Run sends the plans.
func (c *faultsSetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	var text []byte
	var err error
	if c.File == "-" {
		text, err = io.ReadAll(io.LimitReader(sys.Stdin, disk.MaxDocument))
	} else {
		text, err = disk.ReadInput(c.File, disk.MaxDocument)
	}
	if err != nil {
		return err
	}
	return p.say(ctx, sys, "set_fault_plan", c.Name, string(text))
}

type faultsListCmd struct {
	output
}

// Help explains a line.
func (faultsListCmd) Help() string {
	return `One line for each plan: its name, the fault, how many of the requests that fit have met it, and where it is written.

    cut  truncate  1 of 4 requests  (ota.yaml:2)
    flaky  reset  0 of 0 requests`
}

// faultPlan is a plan in force, as the exporter tells it.
type faultPlan struct {
	Name     string `json:"name"`
	Fault    string `json:"fault"`
	Source   string `json:"source"`
	Requests uint64 `json:"requests"`
	Fired    uint64 `json:"fired"`
}

// line describes the plan.
func (f *faultPlan) line() string {
	line := fmt.Sprintf("%s  %s  %d of %d requests", f.Name, f.Fault, f.Fired, f.Requests)
	if f.Source != "" {
		line += "  (" + f.Source + ")"
	}
	return line
}

// Run lists the plans.
func (c *faultsListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if c.json() {
		return p.say(ctx, sys, "list_fault_plans")
	}
	var list []faultPlan
	if err := p.document(ctx, &list, "list_fault_plans"); err != nil {
		return err
	}
	if len(list) == 0 {
		sys.out("No fault plans are in force.")
	}
	for _, f := range list {
		sys.out("  %s", f.line())
	}
	return nil
}

type faultsClearCmd struct {
	Name string `completion:"plans" arg:"" optional:"" help:"Name of the plan (default: all plans)."`
}

// Help tells of scenarios.
func (faultsClearCmd) Help() string {
	return `Plans of the loaded scenario are removed, too. "mock reset" brings them back.`
}

// Run removes plans.
func (c *faultsClearCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if c.Name == "" {
		return p.say(ctx, sys, "clear_fault_plans")
	}
	return p.say(ctx, sys, "clear_fault_plans", c.Name)
}

type faultsEventCmd struct {
	Name string `arg:"" help:"Name of the event, as since: in a plan has it."`
}

// Help shows a plan.
func (faultsEventCmd) Help() string {
	return strings.TrimSpace(`
A plan can wait for an event. This one lets the server fail for ten seconds, a minute after the event "installed":

    when: {since: installed, from: 60, to: 70}
    do: status

Example:

    j proxy faults event installed`)
}

// Run marks the event.
func (c *faultsEventCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "mark_event", c.Name)
}
