package driver

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/driver/faultplan"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

// faultPlans are the methods about planned faults of exchanges.
type faultPlans struct {
	table    *faultplan.Table
	log      *slog.Logger
	timeline *timeline
}

// rows are for the table of methods.
func (s *faultPlans) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("set_fault_plan", "Let requests meet a fault: its kind, or a plan with match, when and do in JSON or YAML; "+
			"without a name, a list of plans.", s.set,
			rpc.Need("name"), rpc.Need("plan_json")),
		rpc.New("list_fault_plans", "List the plans of faults that are in force as JSON, with how often they were asked and fired.",
			s.list),
		rpc.New("clear_fault_plans", "Remove the plan of faults of that name, or all, also those of the scenario.", s.clear,
			rpc.With("name", "")),
		rpc.New("mark_event", "Tell that an event has happened now, from which plans of faults count their times.", s.mark,
			rpc.Need("name")),
	}
}

func (s *faultPlans) set(_ context.Context, name, text string) (string, error) {
	plans, err := scenario.CompilePlans("plan", name, []byte(text), scenario.Env{Log: s.log})
	if err != nil {
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: "plan_json", Text: "set_fault_plan: " + err.Error()}
	}
	said := make([]string, len(plans))
	for i, p := range plans {
		if name == "" {
			p.Name = s.free(p.Name)
		}
		if err := s.table.Set(p); err != nil {
			return "", &rpc.Refusal{Code: rpc.FailedPrecondition, About: "plan_json", Text: "set_fault_plan: " + err.Error()}
		}
		said[i] = p.Name + " → " + p.Do.Kind
	}
	if len(plans) == 1 {
		return "Fault plan set: " + said[0], nil
	}
	return fmt.Sprintf("Fault plans set: %d: %s", len(plans), strings.Join(said, ", ")), nil
}

// free returns a name for a plan that a method sets without one: name, unless it is one
// that an earlier such plan has got.
func (s *faultPlans) free(name string) string {
	if _, numbered := strings.CutPrefix(name, unnamed); !numbered {
		return name
	}
	taken := map[string]bool{}
	for _, row := range s.status() {
		taken[row.Name] = true
	}
	for n := 1; taken[name]; n++ {
		name = fmt.Sprint(unnamed, n)
	}
	return name
}

// unnamed begins the names of plans that a method sets without a name.
const unnamed = "set-"

// faultPlanRow is a plan in force, as methods and status tell it.
type faultPlanRow struct {
	Name string `json:"name"`
	// Fault is the kind of the fault.
	Fault string `json:"fault"`
	// Source is the place in the scenario, such as "ota.yaml:12"; empty for a plan
	// that a method has set.
	Source string `json:"source"`
	// Requests is how many requests fit and came in time.
	Requests uint64 `json:"requests"`
	// Fired is how many of them met the fault.
	Fired uint64 `json:"fired"`
}

func newFaultPlanRow(r faultplan.Report) faultPlanRow {
	return faultPlanRow{Name: r.Plan.Name, Fault: r.Plan.Do.Kind, Source: r.Plan.Source.String(), Requests: r.Requests, Fired: r.Fired}
}

// status returns the plans in force for status.
func (s *faultPlans) status() []faultPlanRow {
	rows := []faultPlanRow{}
	for _, r := range s.table.Report() {
		rows = append(rows, newFaultPlanRow(r))
	}
	return rows
}

// faultPlanDetail is a plan in force with its definition.
type faultPlanDetail struct {
	faultPlanRow
	// Last is the time of the latest fault; null for none.
	Last *time.Time `json:"last"`
	// Plan is the definition.
	Plan any `json:"plan"`
}

func (s *faultPlans) list(context.Context) ([]faultPlanDetail, error) {
	rows := []faultPlanDetail{}
	for _, r := range s.table.Report() {
		d := faultPlanDetail{faultPlanRow: newFaultPlanRow(r), Plan: r.Plan.Definition}
		if !r.Last.IsZero() {
			last := r.Last.UTC()
			d.Last = &last
		}
		rows = append(rows, d)
	}
	return rows, nil
}

func (s *faultPlans) clear(_ context.Context, name string) (string, error) {
	n := s.table.Clear(name)
	if n == 0 && name != "" {
		text := "clear_fault_plans: no plan has the name " + excerpt.Quote(name)
		return "", &rpc.Refusal{Code: rpc.NotFound, About: "name", Text: text}
	}
	return fmt.Sprintf("Fault plans removed: %d", n), nil
}

func (s *faultPlans) mark(_ context.Context, name string) (string, error) {
	if err := s.event(name); err != nil {
		return "", &rpc.Refusal{Code: rpc.InvalidArgument, About: "name", Text: "mark_event: " + err.Error()}
	}
	return "Event marked: " + name, nil
}

// Reset removes what methods have set.
func (s *faultPlans) Reset() { s.table.Reset() }

// event notes that an event has happened, which a test or a script tells.
func (s *faultPlans) event(name string) error {
	err := scenario.Mark(s.table, name)
	if err == nil {
		s.timeline.note(momentEvent, name)
	}
	return err
}
