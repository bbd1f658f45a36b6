package scenario

import (
	"errors"
	"time"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/call"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/document"
)

const (
	delayRange   = "milliseconds, from 0 to 86400000 (a day)"
	latencyRange = delayRange + ", or a map such as {min: 50, max: 200}"
)

// delay reads delay_ms. The default is none.
func (d *definition) delay() (time.Duration, error) {
	n := d.get("delay_ms")
	if n == nil {
		return 0, nil
	}
	w, ok := milliseconds(n)
	if !ok {
		return 0, d.wrong("delay_ms", n, delayRange)
	}
	return w, nil
}

// milliseconds returns a number of milliseconds, at most a day, as a duration.
func milliseconds(n *yaml.Node) (time.Duration, bool) {
	ms, ok := document.Float(n)
	if !ok {
		return 0, false
	}
	return call.Milliseconds(ms)
}

// latency reads latency_ms. Its default is the latency of the document.
func (d *definition) latency() (call.Latency, error) {
	n := d.get("latency_ms")
	if n == nil {
		return d.c.env.DefaultLatency, nil
	}
	return d.c.latency(n, d.at("latency_ms"))
}

// latency reads a latency: milliseconds, or a map of a random distribution.
func (c *compiler) latency(n *yaml.Node, path string) (call.Latency, error) {
	if n.Kind != yaml.MappingNode {
		w, ok := milliseconds(n)
		if !ok {
			return call.Latency{}, document.Wrong(n, path, latencyRange)
		}
		return call.Latency{Fixed: w}, nil
	}
	random, err := c.random(n, path)
	if err != nil {
		return call.Latency{}, err
	}
	spec, _ := document.Value(document.Without(n, remark)).(jsonvalue.Object)
	l, err := call.NewLatency(spec, random)
	return l, atKey(n, path, err)
}

// random returns the source of random numbers.
func (c *compiler) random(n *yaml.Node, path string) (*call.Random, error) {
	if c.env.Script == nil {
		return nil, document.Errorf(n, "%s: nothing here draws by chance", path)
	}
	return c.env.Script.Random(), nil
}

// atKey sets the place of an error about a key of the map n to the key's value.
func atKey(n *yaml.Node, path string, err error) error {
	var at *call.KeyError
	if !errors.As(err, &at) {
		return err
	}
	return document.Errorf(document.Field(n, at.Key), "%s: %v", path, err)
}
