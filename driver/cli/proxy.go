package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
)

// caller is a driver of an exporter, ours or Python's. *client.Node is one.
type caller interface {
	Call(ctx context.Context, method string, args ...any) (any, error)
	Stream(ctx context.Context, method string, args ...any) iter.Seq2[any, error]
	Connect(ctx context.Context, method string) (net.Conn, error)
}

// proxy decodes the results of a proxy, which are text, often JSON. What the
// proxy refuses is a *rpc.Refusal.
type proxy struct{ caller }

// text returns the result of a method that answers with text.
func (p proxy) text(ctx context.Context, method string, args ...any) (string, error) {
	result, err := p.Call(ctx, method, args...)
	if err != nil {
		return "", err
	}
	s, ok := result.(string)
	if !ok {
		return "", fmt.Errorf("%s: the exporter answered %T, expected a string", method, result)
	}
	return s, nil
}

// say prints the result of a method that answers with a sentence.
func (p proxy) say(ctx context.Context, sys *System, method string, args ...any) error {
	s, err := p.text(ctx, method, args...)
	if err != nil {
		return err
	}
	sys.out("%s", s)
	return nil
}

// document decodes the result of a method that answers with JSON in a string.
func (p proxy) document(ctx context.Context, dst any, method string, args ...any) error {
	s, err := p.text(ctx, method, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(s), dst); err != nil {
		return fmt.Errorf("%s: the exporter's answer is not the JSON expected: %w", method, err)
	}
	return nil
}

// errNoString is the error of a stream with an item that is no string.
var errNoString = errors.New("the exporter sent something else than a string")

// strings yields the items of a streaming method.
func (p proxy) strings(ctx context.Context, method string, args ...any) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for item, err := range p.Stream(ctx, method, args...) {
			s, ok := item.(string)
			if err == nil && !ok {
				err = fmt.Errorf("%s: %w", method, errNoString)
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}
