package scenario

import (
	"go.yaml.in/yaml/v3"

	"starproxy/driver/contract"
	"starproxy/driver/document"
	"starproxy/driver/faultplan"
	"starproxy/driver/network"
	"starproxy/driver/tlsfault"
)

// Adversity is what a scenario sets for all exchanges, besides its endpoints.
type Adversity struct {
	// TLS are the faults that handshakes meet.
	TLS []tlsfault.Setting
	// Network are the networks that devices are on.
	Network []network.Setting
	// Faults are the plans of faults that requests meet.
	Faults []*faultplan.Plan
	// Contract is the OpenAPI document that exchanges are checked against; nil for none.
	Contract *contract.Contract
}

// adversity is a key at the top of a document, and a global of a script, that sets a
// part of [Adversity]. Read gets its value without remarks.
type adversity struct {
	key  string
	read func(c *compiler, n *yaml.Node, path string) error
}

// adversities are the keys of Adversity.
func adversities() []adversity {
	return []adversity{
		{"tls", func(c *compiler, n *yaml.Node, path string) (err error) {
			c.adversity.TLS, err = tlsfault.Settings(n, path)
			return err
		}},
		{"network", func(c *compiler, n *yaml.Node, path string) (err error) {
			c.adversity.Network, err = network.Settings(n, path)
			return err
		}},
		{"faults", func(c *compiler, n *yaml.Node, path string) (err error) {
			c.adversity.Faults, err = c.plans(n, path, "fault")
			return err
		}},
		{"contract", func(c *compiler, n *yaml.Node, path string) (err error) {
			c.adversity.Contract, err = c.contract(n, path)
			return err
		}},
	}
}

// oppose reads the value of the key at the top of that name, if it is one of Adversity.
func (c *compiler) oppose(key string, n *yaml.Node) error {
	for _, a := range adversities() {
		if a.key == key {
			return a.read(c, withoutRemarks(n), key)
		}
	}
	return nil
}

// withoutRemarks returns a value without the keys in it that are for people.
func withoutRemarks(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		return n
	}
	out := *n
	out.Content = nil
	if n.Kind == yaml.MappingNode {
		for k, v := range document.Pairs(n) {
			if !isRemark(k.Value) {
				out.Content = append(out.Content, k, withoutRemarks(v))
			}
		}
		return &out
	}
	for _, v := range n.Content {
		out.Content = append(out.Content, withoutRemarks(v))
	}
	return &out
}
