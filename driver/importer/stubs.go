package importer

import "go.yaml.in/yaml/v3"

func (c *conversion) mockServer(root *yaml.Node, s source) error { return nil }
func (c *conversion) postman(root *yaml.Node, s source) error    { return nil }
func (c *conversion) mockoon(root *yaml.Node, s source) error    { return nil }
