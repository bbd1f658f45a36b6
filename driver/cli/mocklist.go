package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

type mockListCmd struct {
	Hits bool `help:"Tell how often each endpoint was asked, and where it is written."`
	output
}

// Help explains a line.
func (mockListCmd) Help() string {
	return `One line for each endpoint: its key and what it answers.

    GET /api/v1/status  ->  200
    GET /api/v1/slow  ->  200 (+1500ms)
    POST /api/v1/login  ->  2 rule(s)  (disabled)

With --hits the lines are a table, the endpoints in the order of the scenario:

    HITS  ENDPOINT            ANSWER       SOURCE
      12  GET /api/v1/status  200          happy-path.yaml:3
       0  GET /api/v1/slow    200 (+1.5s)  happy-path.yaml:9

JSON has one object for each endpoint, with its key, definition, hits, source, and whether it is enabled.

Examples:

    j proxy mock list --hits
    j proxy mock list --json | jq -r '.[] | select(.hits == 0) | .key'`
}

// Run lists the endpoints in the exporter's order.
func (c *mockListCmd) Run(ctx context.Context, sys *System, p proxy) error {
	rows, err := p.endpoints(ctx)
	switch {
	case err != nil:
		return err
	case c.json():
		return sys.tell(rows)
	case len(rows) == 0:
		sys.out("No mocks configured.")
	case c.Hits:
		sys.table(hitsTable(rows))
	default:
		for _, r := range rows {
			sys.out("  %s  ->  %s", printable(r.Key), printable(r.answer()))
		}
	}
	return nil
}

// hitsTable returns the table of "mock list --hits", its heading first.
func hitsTable(rows []endpointRow) [][]string {
	table := [][]string{{">HITS", "ENDPOINT", "ANSWER", "SOURCE"}}
	for _, r := range rows {
		hits := "-"
		if r.Hits != nil {
			hits = strconv.FormatUint(*r.Hits, 10)
		}
		table = append(table, []string{hits, r.Key, r.answer(), r.Source})
	}
	return table
}

// endpointRow is an endpoint as list_endpoints tells it. The stock exporter tells key and
// definition alone.
type endpointRow struct {
	Key        string          `json:"key"`
	Summary    string          `json:"summary,omitempty"`
	Source     string          `json:"source,omitempty"`
	Hits       *uint64         `json:"hits,omitempty"`
	Enabled    *bool           `json:"enabled,omitempty"`
	Definition json.RawMessage `json:"definition"`
}

// answer describes what the endpoint answers.
func (r endpointRow) answer() string {
	m := mockEntry{r.Key, r.Definition}
	if r.Enabled != nil && bytes.HasPrefix(r.Definition, []byte("[")) { // a list of rules
		m.definition = slices.Concat([]byte(`{"rules":`), r.Definition, []byte("}"))
	}
	if r.Enabled != nil && !*r.Enabled {
		return m.summary() + "  (disabled)"
	}
	return m.summary()
}

// endpoints asks for the endpoints in their order.
func (p proxy) endpoints(ctx context.Context) ([]endpointRow, error) {
	rows := []endpointRow{}
	err := p.document(ctx, &rows, "list_endpoints")
	if !unknownMethod(err) {
		return rows, err
	}
	mocks, err := p.mocks(ctx)
	for _, m := range mocks {
		rows = append(rows, endpointRow{Key: m.key, Definition: m.definition})
	}
	return rows, err
}

// mockEntry is one endpoint of list_mocks.
type mockEntry struct {
	key        string
	definition json.RawMessage
}

// mocks asks for the endpoints and keeps their order, which a map would lose.
func (p proxy) mocks(ctx context.Context) ([]mockEntry, error) {
	var raw json.RawMessage
	if err := p.document(ctx, &raw, "list_mocks"); err != nil {
		return nil, err
	}
	return orderedObject(raw)
}

// orderedObject returns the members of a JSON object as they stand in it.
func orderedObject(raw []byte) ([]mockEntry, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("list_mocks: expected a JSON object, got %.40q", raw)
	}
	var entries []mockEntry
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("list_mocks: %w", err)
		}
		e := mockEntry{key: key.(string)} // the decoder lets no other kind of key pass
		if err := dec.Decode(&e.definition); err != nil {
			return nil, fmt.Errorf("list_mocks: %q: %w", e.key, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// summary describes the answer of an endpoint in a few words.
func (m mockEntry) summary() string {
	var d struct {
		Fault json.RawMessage `json:"fault"`
	}
	if json.Unmarshal(m.definition, &d) != nil || len(d.Fault) == 0 || string(d.Fault) == "null" {
		return m.answer()
	}
	f := struct {
		Kind  string  `json:"kind"`
		After int64   `json:"after"`
		Rate  float64 `json:"rate"`
	}{Rate: 1}
	if json.Unmarshal(d.Fault, &f.Kind) != nil && json.Unmarshal(d.Fault, &f) != nil {
		return "(not understood)"
	}
	switch {
	case f.Rate < 1:
		return fmt.Sprintf("%s fault:%s (%g%%)", m.answer(), f.Kind, 100*f.Rate)
	case f.After == 0 && f.Kind != "truncate":
		return "fault:" + f.Kind
	}
	return m.answer() + " fault:" + f.Kind
}

// answer returns the summary without the fault.
func (m mockEntry) answer() string {
	d := struct {
		Rules     []json.RawMessage `json:"rules"`
		Sequence  []json.RawMessage `json:"sequence"`
		Template  json.RawMessage   `json:"body_template"`
		Text      json.RawMessage   `json:"body_text_template"`
		Addon     *string           `json:"addon"`
		Script    *string           `json:"script"`
		File      *string           `json:"file"`
		Rendered  *string           `json:"file_template"`
		Status    json.Number       `json:"status"`
		LatencyMS json.RawMessage   `json:"latency_ms"`
	}{Status: "200"}
	if err := json.Unmarshal(m.definition, &d); err != nil {
		return "(not understood)"
	}
	switch {
	case d.Rules != nil:
		return fmt.Sprintf("%d rule(s)", len(d.Rules))
	case d.Sequence != nil:
		return fmt.Sprintf("%d step(s)", len(d.Sequence))
	case d.Rendered != nil:
		return fmt.Sprintf("%s file:%s (template)", d.Status, *d.Rendered)
	case d.Template != nil || d.Text != nil:
		return fmt.Sprintf("%s (template)", d.Status)
	case d.Addon != nil:
		return "addon:" + *d.Addon
	case d.Script != nil:
		return "script:" + *d.Script
	case d.File != nil:
		return fmt.Sprintf("%s file:%s", d.Status, *d.File)
	}
	if ms, err := json.Number(d.LatencyMS).Float64(); err == nil && ms != 0 {
		return fmt.Sprintf("%s (+%sms)", d.Status, d.LatencyMS)
	} else if bytes.HasPrefix(d.LatencyMS, []byte("{")) {
		return fmt.Sprintf("%s (+random ms)", d.Status)
	}
	return d.Status.String()
}
