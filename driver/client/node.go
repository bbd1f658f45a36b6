package client

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"starproxy/driver/pb"
)

// ProxyClass is the client class that proxies report, ours and stock ones.
const ProxyClass = "jumpstarter_driver_mitmproxy.client.MitmproxyClient"

// CompositeClass is the client class of a group, which has no commands of its
// own: it is there for its children.
const CompositeClass = "jumpstarter_driver_composite.client.CompositeClient"

// Node is one driver of the exporter's tree.
type Node struct {
	// Name under the parent; empty for the root.
	Name string
	// Client is the Python class that stock clients build for the driver.
	Client string
	// UUID names the driver in calls. With a ref in the exporter's
	// configuration several nodes share one.
	UUID string
	// Labels of the report, the above two among them.
	Labels map[string]string
	// Description is the exporter's own help text; usually empty.
	Description string
	// MethodsDescription has help texts by command name.
	MethodsDescription map[string]string
	// Children in the order of the report.
	Children []*Node

	client *Client
	path   string
}

// tree builds the nodes from a report in which parents precede their children.
// Uuids may repeat; a parent's is then the latest one.
func (c *Client) tree(reports []*pb.DriverInstanceReport) (*Node, error) {
	latest := map[string]*Node{}
	var root *Node
	for _, r := range reports {
		labels := r.GetLabels()
		n := &Node{
			Name:               labels["jumpstarter.dev/name"],
			Client:             labels["jumpstarter.dev/client"],
			UUID:               r.GetUuid(),
			Labels:             labels,
			Description:        r.GetDescription(),
			MethodsDescription: r.GetMethodsDescription(),
			client:             c,
		}
		if r.GetParentUuid() == "" {
			if root != nil {
				return nil, fmt.Errorf("exporter %s: the report has two roots", c.host)
			}
			root = n
		} else {
			parent, ok := latest[r.GetParentUuid()]
			if !ok {
				return nil, fmt.Errorf("exporter %s: the report lists driver %q before its parent", c.host, n.Name)
			}
			n.path = n.Name
			if parent.path != "" {
				n.path = parent.path + "." + n.Name
			}
			parent.Children = append(parent.Children, n)
		}
		latest[n.UUID] = n
	}
	if root == nil {
		return nil, fmt.Errorf("exporter %s: the report has no root driver", c.host)
	}
	return root, nil
}

// Tree returns the root of the tree.
func (c *Client) Tree() *Node { return c.root }

// Find returns the node that the names lead to from the root; without names
// the root itself.
func (c *Client) Find(path ...string) (*Node, error) {
	at := c.root
next:
	for _, name := range path {
		for _, child := range at.Children {
			if child.Name == name {
				at = child
				continue next
			}
		}
		where := "the exporter"
		if at.path != "" {
			where = at.path
		}
		names := make([]string, len(at.Children))
		for i, child := range at.Children {
			names[i] = child.Name
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("%s has no driver %q: it has none at all", where, name)
		}
		return nil, fmt.Errorf("%s has no driver %q: it has %s", where, name, strings.Join(names, ", "))
	}
	return at, nil
}

// All yields every node, parents first.
func (c *Client) All() iter.Seq[*Node] {
	return func(yield func(*Node) bool) { c.root.walk(yield) }
}

func (n *Node) walk(yield func(*Node) bool) bool {
	if !yield(n) {
		return false
	}
	for _, child := range n.Children {
		if !child.walk(yield) {
			return false
		}
	}
	return true
}

// Path returns the dotted path from the root; empty for the root.
func (n *Node) Path() string { return n.path }

// Call runs a method and returns its result as nil, bool, float64, string,
// []any or map[string]any. Arguments are anything with a JSON form; text must be
// UTF-8. The error is an *Error when the call failed, and a *rpc.Refusal when a
// proxy answers with a sentence that it did not do what was asked.
func (n *Node) Call(ctx context.Context, method string, args ...any) (any, error) {
	values, err := pb.NewValues(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	var trailer metadata.MD
	reply, err := n.client.exporter.DriverCall(ctx, &pb.DriverCallRequest{Uuid: n.UUID, Method: method, Args: values},
		grpc.Trailer(&trailer))
	if err != nil {
		return nil, n.client.errorOf(method, err)
	}
	result := pb.Native(reply.GetResult())
	if n.Client == ProxyClass {
		if err := outcome(trailer, method, result); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// Stream runs a method that yields many results. Leaving the loop ends the
// call; an error is the last thing that it yields.
func (n *Node) Stream(ctx context.Context, method string, args ...any) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		values, err := pb.NewValues(args)
		if err != nil {
			yield(nil, fmt.Errorf("%s: %w", method, err))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := n.client.exporter.StreamingDriverCall(ctx, &pb.StreamingDriverCallRequest{Uuid: n.UUID, Method: method,
			Args: values})
		if err != nil {
			yield(nil, n.client.errorOf(method, err))
			return
		}
		for {
			reply, err := stream.Recv()
			if err != nil {
				if err := n.client.endOf(method, err); err != nil {
					yield(nil, err)
				}
				return
			}
			if !yield(pb.Native(reply.GetResult()), nil) {
				return
			}
		}
	}
}
