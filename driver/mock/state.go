package mock

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"starproxy/builtins/excerpt"
)

// StateMatch is the condition that a named scenario is in a state.
type StateMatch struct {
	// Scenario is its name.
	Scenario string
	// Is lists states. The scenario must be in one of them.
	Is []string
	// Now returns the present state of the scenario.
	Now func() string
}

// why returns the reason why the condition does not hold, or "" when it holds.
func (s *StateMatch) why() string {
	now := s.Now()
	if slices.Contains(s.Is, now) {
		return ""
	}
	return fmt.Sprintf("scenario %s is in the state %s, expected %s", s.Scenario, excerpt.Quote(now), strings.Join(quoted(s.Is), " or "))
}

// impliedBy reports whether the condition always holds when o holds. o may be nil.
func (s *StateMatch) impliedBy(o *StateMatch) bool {
	return o != nil && s.Scenario == o.Scenario && !slices.ContainsFunc(o.Is, func(is string) bool { return !slices.Contains(s.Is, is) })
}

func quoted(list []string) []string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = excerpt.Quote(s)
	}
	return all
}

// ErrMoved is the error of a handler whose endpoint was picked by the state of a
// scenario, if another request has changed that state in the meantime. The table then
// picks an endpoint again.
var ErrMoved = errors.New("the state of the scenario has changed meanwhile")

// maxMoves is how many times a table picks again for one request.
const maxMoves = 100
