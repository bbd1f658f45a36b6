package call

import (
	"slices"
	"time"

	"starproxy/builtins/exchange"
)

// Made is a request that a test has made, and its answer.
type Made struct {
	Request *exchange.Request
	// Body is the body of the request.
	Body []byte
	// Status is 0 when there was no answer.
	Status int
	// Header is that of the answer.
	Header exchange.Header
	// Endpoint is the key of the mock that answered; empty for none.
	Endpoint string
	// Fault is the kind of the fault that broke the answer; empty for none.
	Fault string
	// Sent is how many bytes of a body came, when Fault broke it.
	Sent  int
	Start time.Time
	// Took is the time on the clock of the test until the answer had ended.
	Took time.Duration
}

// Expecter checks requests against expectations in JSON. It returns in lines what differs,
// empty for nothing.
type Expecter func(expectations []byte, made []*Made) (failures string, err error)

// Remember adds a request to those that a test has made.
func (e *Env) Remember(m *Made) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.made = append(e.made, m)
}

// Made returns the requests that a test has made, in their order.
func (e *Env) Made() []*Made {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.made)
}
