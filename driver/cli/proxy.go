package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"
)

// caller is an exported object of an exporter, here or far away, ours or
// Python's. *client.Node is one.
type caller interface {
	Call(ctx context.Context, method string, args ...any) (any, error)
	Stream(ctx context.Context, method string, args ...any) iter.Seq2[any, error]
	Connect(ctx context.Context, method string) (net.Conn, error)
}

// proxy speaks the driver's conventions over a caller: results are strings, JSON
// in strings, or sentences that tell of a failure.
type proxy struct{ caller }

// failure is a driver's sentence about what went wrong. The stock client prints
// such a result like any other; here it ends the command with exit code 1.
type failure string

func (f failure) Error() string { return strings.TrimPrefix(string(f), "Error: ") }

// text is the result of a method that answers with a sentence. Every success of
// it begins with one of the given words, anything else is a failure.
func (p proxy) text(ctx context.Context, success []string, method string, args ...any) (string, error) {
	result, err := p.Call(ctx, method, args...)
	if err != nil {
		return "", err
	}
	s, ok := result.(string)
	if !ok {
		return "", fmt.Errorf("%s: the exporter answered %T, expected a string", method, result)
	}
	for _, prefix := range success {
		if strings.HasPrefix(s, prefix) {
			return s, nil
		}
	}
	return "", failure(s)
}

// say prints the sentence of a method, see text.
func (p proxy) say(ctx context.Context, sys *System, success, method string, args ...any) error {
	s, err := p.text(ctx, []string{success}, method, args...)
	if err != nil {
		return err
	}
	sys.out("%s", s)
	return nil
}

// document decodes the result of a method that answers with JSON in a string.
func (p proxy) document(ctx context.Context, dst any, method string, args ...any) error {
	s, err := p.text(ctx, []string{"{", "[", "null", "\""}, method, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(s), dst); err != nil {
		return fmt.Errorf("%s: the exporter's answer is not the JSON expected: %w", method, err)
	}
	return nil
}

// errNoString is what a stream that should carry strings answers else.
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
