package endpoints

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
	"starproxy/script"
)

// Rows returns the methods that read the endpoints, and what they come from, those
// that undo changes, and those that save endpoints to files.
func (s *Service) Rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("undo_mocks", "Undo the latest change of the endpoints that put_mock, remove_mock, clear_mocks, reset_mocks or a "+
			"load of a scenario made.", s.undo),
		rpc.New("list_mock_changes", "List the changes of the endpoints that undo_mocks undoes, the latest first, as JSON.", s.listChanges),
		rpc.New("preview_mock_save", "Tell as JSON how a scenario file changes when the endpoint of a key is saved to it, or removed from "+
			"it if it is not in force, with a diff and a hash. An empty file is the one that is loaded.", s.previewSave,
			rpc.Need("key"), rpc.With("file", "")),
		rpc.New("save_mock", "Save the endpoint of a key to a scenario file, as preview_mock_save told with this hash.", s.save,
			rpc.Need("key"), rpc.With("file", ""), rpc.With("hash", "")),
		rpc.New("list_mocks", "List the endpoints as a JSON object from key to definition.", s.listMocks),
		rpc.New("list_endpoints", "List the endpoints as JSON, with their source and how often they were asked.", s.listEndpoints),
		rpc.New("check_mock", "Tell as JSON whether the definition of an endpoint, in YAML or JSON, is right, and where it is "+
			"not, and which endpoints it would take the place of.", s.checkMock,
			rpc.Need("key"), rpc.Need("text"), rpc.With("replaces", "")),
		rpc.New("complete_text", "Tell as JSON which words may be written at a line and column of a mock, scenario or script, and "+
			"what the word there means.", s.completeText, rpc.Need("kind"), rpc.Need("text"), rpc.Need("line"), rpc.Need("column")),
		rpc.New("get_scenario_schema", "Give the JSON Schema of scenarios.", s.scenarioSchema),
		rpc.New("list_scenarios", "List the scenarios in the mocks directory, as JSON.", s.listScenarios),
		rpc.New("list_addons", "List the addon scripts as a JSON array.", s.listAddons),
		rpc.New("list_scripts", "List the scenario and the scripts in force as JSON, with why one is not, or how it failed last.",
			s.listScripts),
		rpc.New("show_script", "Give the source of a script in force as JSON, with its errors at their lines and the notes of the "+
			"requests that it answered.", s.showScript, rpc.Need("file")),
		rpc.New("try_request", "Answer a request by a copy of the endpoints in force, and tell as JSON what came of it; nothing is "+
			"sent, captured or changed. Headers are a JSON object or a list of pairs, server_json the answer of the real server: "+
			"status, headers, body.", s.tryRequest,
			rpc.Need("method"), rpc.Need("url"), rpc.With("headers", "{}"), rpc.With("body", ""), rpc.With("server_json", "")),
		rpc.New("list_addon_status", "List the addon scripts as JSON, with why one is not in force.", s.listAddonStatus),
	}
}

// listMocks lists the endpoints as clients of the stock driver expect them: each
// definition is an object.
func (s *Service) listMocks(context.Context) (jsonvalue.Object, error) {
	list := jsonvalue.Object{}
	for _, ep := range s.table.List() {
		def := ep.Definition
		if many, ok := def.([]any); ok {
			def = jsonvalue.Object{{Key: "rules", Value: many}}
		}
		list = append(list, jsonvalue.Member{Key: ep.Name, Value: def})
	}
	return list, nil
}

// endpointRow is an endpoint as the page lists it.
type endpointRow struct {
	Key        string `json:"key"`
	Summary    string `json:"summary"`
	Kind       string `json:"kind"`   // in words: "sequence 2 of 3"
	Source     string `json:"source"` // in words: "happy.yaml:12", "set in the page"
	Group      string `json:"group"`  // the file that has it, or in words where it comes from
	Over       string `json:"over"`   // the source of an endpoint of a file whose place it has taken; else empty
	File       string `json:"file"`
	Line       int    `json:"line"`
	Hits       uint64 `json:"hits"`
	Enabled    bool   `json:"enabled"`
	Scripted   bool   `json:"scripted"`
	Definition any    `json:"definition"`
	Text       string `json:"text"` // the definition as YAML
}

func (s *Service) listEndpoints(context.Context) ([]endpointRow, error) {
	list := []endpointRow{}
	below := s.covered()
	for _, r := range s.table.Report() {
		ep := r.Endpoint
		text, err := scenario.Text(ep.Definition)
		if err != nil {
			return nil, err
		}
		list = append(list, endpointRow{
			Key: ep.Name, Summary: ep.Summary, Kind: kindOf(ep), Source: ep.Source.String(), Group: s.groupOf(ep), Over: below(ep),
			File: ep.Source.File, Line: ep.Source.Line,
			Hits: r.Hits, Enabled: r.Enabled, Scripted: strings.HasPrefix(ep.Summary, "script:"), Definition: ep.Definition, Text: text,
		})
	}
	return list, nil
}

// mockText names the text of an endpoint in messages.
const mockText = "mock"

// checkMock answers with an [rpc.Mistake], or with the warnings about a text
// that is right.
func (s *Service) checkMock(_ context.Context, key, text, replaces string) (any, error) {
	warnings := scenario.Warnings{}
	env := s.env()
	env.Log = slog.New(&warnings)
	eps, err := scenario.CompileText(mockText, key, []byte(text), env)
	var placed *document.Error
	switch {
	case errors.As(err, &placed):
		return rpc.Mistake{Error: placed.Message, Line: placed.Line, Column: placed.Column}, nil
	case err != nil:
		return rpc.Mistake{Error: err.Error()}, nil
	}
	for i, w := range warnings {
		warnings[i] = strings.TrimPrefix(w, mockText+":")
	}
	return map[string]any{"ok": true, "warnings": warnings, "relations": s.relations(eps, replaces)}, nil
}

// maxHinted is how long a text may be for hints, in bytes.
const maxHinted = 4 << 20

func (s *Service) completeText(_ context.Context, kind, text string, line, column int) (script.Hint, error) {
	if len(text) > maxHinted {
		text = ""
	}
	hint, ok := scenario.HintAt(kind, text, line, column)
	if !ok {
		return hint, &rpc.Refusal{Code: rpc.InvalidArgument, About: "kind",
			Text: fmt.Sprintf("complete_text: argument kind: got %q, want %s, %s or %s", kind, scenario.TextMock, scenario.TextScenario,
				scenario.TextScript)}
	}
	return hint, nil
}

func (s *Service) scenarioSchema(context.Context) (json.RawMessage, error) {
	return scenario.Schema(), nil
}
