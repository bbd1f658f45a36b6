package driver

import (
	"fmt"
	"strconv"
	"time"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/follow"
	"starproxy/builtins/jsonvalue"
	"starproxy/builtins/state"
	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

// The bounds of the timeline: the changes that it keeps, and the characters of each text
// of one.
const (
	maxMoments    = 4000
	maxMomentText = 300
)

// The kinds of changes.
const (
	momentCall     = "call"     // of a method that changes something
	momentState    = "state"    // a key of the shared state, also by scripts and mocks
	momentScenario = "scenario" // the scenario was loaded, reloaded or not, or unloaded
	momentEvent    = "event"    // mark_event, or that of a script
	momentMode     = "mode"     // the proxy was started or stopped
)

// moment is a change of what answers requests.
type moment struct {
	Time time.Time `json:"time"`
	// Exchange is the number of the last exchange that was captured before.
	Exchange uint64 `json:"exchange"`
	Kind     string `json:"kind"`
	// What is the method, the key of the state, the name of the event, or a sentence.
	What string `json:"what"`
	// Value is that of the key, as JSON that may be cut; empty for one that was removed.
	Value string `json:"value,omitempty"`
	// Args are the arguments of a call, which may be cut.
	Args map[string]any `json:"args,omitempty"`
	// Said is the answer of the method, and Error its failure.
	Said  string `json:"said,omitempty"`
	Error string `json:"error,omitempty"`
}

// timeline is a bounded log of changes. It may be used by any number of goroutines.
type timeline struct {
	journal *capture.Journal
	log     *follow.Log[moment]
}

func newTimeline(j *capture.Journal) *timeline {
	return &timeline{j, follow.NewLog[moment](maxMoments)}
}

// add notes a change that happens now.
func (t *timeline) add(m moment) {
	m.Time, m.Exchange = time.Now().UTC(), t.journal.Last()
	t.log.Add(m)
}

// note notes a change that a sentence tells.
func (t *timeline) note(kind, text string) {
	t.add(moment{Kind: kind, What: excerpt.Cut(text, maxMomentText)})
}

// called notes a call of a method.
func (t *timeline) called(c rpc.Called) {
	m := moment{Kind: momentCall, What: c.Method, Args: map[string]any{}}
	for _, a := range c.Args {
		if text, ok := a.Value.(string); ok {
			if text == "" {
				continue
			}
			a.Value = excerpt.Cut(text, maxMomentText)
		}
		m.Args[a.Name] = a.Value
	}
	if said, ok := c.Result.(string); ok {
		m.Said = excerpt.Cut(said, maxMomentText)
	}
	if c.Err != nil {
		m.Error = excerpt.Cut(c.Err.Error(), maxMomentText)
	}
	t.add(m)
}

// stateChanged notes a change of the shared state.
func (t *timeline) stateChanged(c state.Change) {
	m := moment{Kind: momentState, What: excerpt.Cut(c.Key, maxMomentText)}
	if !c.Removed {
		m.Value = jsonvalue.Short(c.Value, maxMomentText)
	}
	t.add(m)
}

// all returns the changes that are kept, oldest first.
func (t *timeline) all() []moment {
	list, _ := t.log.Since(0)
	return list
}

// since returns the number of the exchange after which a caller wants those of the
// journal. mark is that number as text, or the name of an event, whose latest time counts;
// an empty one means all. method is for the refusal.
func (t *timeline) since(method, mark string) (uint64, error) {
	if mark == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(mark, 10, 64); err == nil {
		return n, nil
	}
	list := t.all()
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Kind == momentEvent && list[i].What == mark {
			return list[i].Exchange, nil
		}
	}
	return 0, &rpc.Refusal{Code: rpc.InvalidArgument, About: "since",
		Text: fmt.Sprintf("%s: argument since: got %s, want the number of an exchange, or the name of an event that was marked", method,
			excerpt.Quote(mark))}
}
