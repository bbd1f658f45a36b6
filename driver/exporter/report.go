package exporter

import (
	"fmt"
	"maps"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"starproxy/driver/client"
	"starproxy/driver/pb"
)

// The labels that clients build their tree from.
const (
	labelClient = "jumpstarter.dev/client"
	labelName   = "jumpstarter.dev/name"
)

// describe makes the report of the tree, with the drivers that Python hosts in
// their places.
func (s *Session) describe() error {
	paths := pathsOf(s.config.Export)
	for _, it := range s.items {
		parent := ""
		if it.parent >= 0 {
			parent = s.ids[s.items[it.parent].node].String()
		}
		if it.node.foreign() {
			n, err := s.python.client.Find(strings.Split(paths[it.node], ".")...)
			if err == nil {
				err = s.describeForeign(n, it.name, parent)
			}
			if err != nil {
				return it.node.placed("export.%s: %w", it.path, err)
			}
			continue
		}
		r := &pb.DriverInstanceReport{
			Uuid:               s.ids[it.node].String(),
			Labels:             map[string]string{labelClient: it.node.clientClass()},
			MethodsDescription: maps.Clone(it.node.MethodsDescription),
		}
		if parent != "" {
			r.ParentUuid = &parent
			r.Labels[labelName] = it.name
		}
		if it.node.Description != "" {
			r.Description = proto.String(it.node.Description)
		}
		s.reports = append(s.reports, r)
	}
	return nil
}

// describeForeign adds a driver of Python's and those below it.
func (s *Session) describeForeign(n *client.Node, name, parent string) error {
	id, err := uuid.Parse(n.UUID)
	if err != nil {
		return fmt.Errorf("uuid %q of a driver that Python hosts: %w", n.UUID, err)
	}
	s.served[id] = forwarded{to: s.python}
	r := &pb.DriverInstanceReport{
		Uuid: n.UUID, ParentUuid: &parent, Labels: maps.Clone(n.Labels), MethodsDescription: maps.Clone(n.MethodsDescription),
	}
	r.Labels[labelName] = name
	if n.Description != "" {
		r.Description = proto.String(n.Description)
	}
	s.reports = append(s.reports, r)
	for _, child := range n.Children {
		if err := s.describeForeign(child, child.Name, n.UUID); err != nil {
			return err
		}
	}
	return nil
}
