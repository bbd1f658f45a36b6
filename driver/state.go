package driver

import (
	"context"
	"errors"
	"fmt"

	"starproxy/builtins/state"
	"starproxy/driver/mock"
	"starproxy/driver/rpc"
)

// stateMethods are the methods about the state that tests, templates and scripts
// share, and about named scenarios, which are a part of it.
type stateMethods struct {
	state *state.Store
	table *mock.Table // its endpoints name the scenarios
}

// rows are for the table of methods.
func (s *stateMethods) rows() []rpc.Row {
	need, with := rpc.Need, rpc.With
	return []rpc.Row{
		rpc.New("set_state", "Set a key of the shared state to a JSON value.", s.setState, need("key"), need("value_json")),
		rpc.New("get_state", "Give a key of the shared state as JSON, null when it is not set.", s.getState, need("key")),
		rpc.New("delete_state", "Remove a key of the shared state.", s.deleteState, need("key")),
		rpc.New("clear_state", "Remove all keys of the shared state.", s.clearState),
		rpc.New("get_all_state", "Give the shared state as a JSON object.", s.getAllState),
		rpc.New("check_state", "Tell as JSON whether a value of the shared state is right, and where it is not.", s.checkState,
			need("key"), need("value_json")),
		rpc.New("list_scenario_states", "Tell as JSON in which states the named scenarios of the endpoints are, and which ones "+
			"they have.", s.listScenarioStates),
		rpc.New("set_scenario_state", "Bring a named scenario into a state.", s.setScenarioState, need("scenario"), need("state")),
		rpc.New("reset_scenario_states", "Bring a named scenario, or all of them, back into the state Started.", s.resetScenarioStates,
			with("scenario", "")),
	}
}

func (s *stateMethods) setState(_ context.Context, key, valueJSON string) (string, error) {
	v, err := rpc.ParseJSON(valueJSON)
	if err != nil {
		return "", notJSON("value_json", "", err)
	}
	if err := s.state.Set(key, v); err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "set_state: %v", err)
	}
	return fmt.Sprintf(sayStateSet, key), nil
}

// checkState answers with the mistake for which setState would refuse a key and a
// value.
func (s *stateMethods) checkState(_ context.Context, key, valueJSON string) (any, error) {
	if key == "" {
		return rpc.Mistake{Error: "the key is missing"}, nil
	}
	v, err := rpc.ParseJSON(valueJSON)
	if err == nil {
		_, err = state.Value(v)
	}
	var placed *rpc.JSONError
	switch {
	case errors.As(err, &placed):
		return rpc.Mistake{Error: placed.Message, Line: placed.Line, Column: placed.Column}, nil
	case err != nil:
		return rpc.Mistake{Error: err.Error()}, nil
	}
	return map[string]any{"ok": true}, nil
}

func (s *stateMethods) deleteState(_ context.Context, key string) (string, error) {
	if !s.state.Delete(key) {
		return "", noStateKey(key)
	}
	return fmt.Sprintf(sayStateDeleted, key), nil
}

func (s *stateMethods) getState(_ context.Context, key string) (string, error) {
	v, _ := s.state.Get(key)
	return rpc.JSON(v)
}

func (s *stateMethods) clearState(context.Context) (string, error) {
	return fmt.Sprintf(sayStateCleared, s.state.Clear()), nil
}

func (s *stateMethods) getAllState(context.Context) (string, error) { return rpc.JSON(s.state.All()) }
