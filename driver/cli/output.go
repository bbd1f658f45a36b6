package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"starproxy/builtins/jsonvalue"
)

// output are the flags of a command that can print its result as JSON.
type output struct {
	Output string `short:"o" name:"output" enum:"text,json" default:"text" placeholder:"FORMAT" help:"Form of what is printed: text or json (default ${default})."`
	JSON   bool   `name:"json" help:"The same as --output json."`
}

// json reports whether JSON is wanted.
func (o output) json() bool { return o.JSON || o.Output == "json" }

// tell prints a value as one line of JSON.
func (s *System) tell(v any) error {
	b, err := jsonvalue.Append(nil, v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "%s\n", b)
	return err
}

// list decodes the result of a method into dst. When JSON is wanted, it prints the result
// instead and reports true.
func (o output) list(ctx context.Context, sys *System, p proxy, dst any, method string, args ...any) (printed bool, err error) {
	var raw json.RawMessage
	if err := p.document(ctx, &raw, method, args...); err != nil {
		return false, err
	}
	if o.json() {
		_, err := fmt.Fprintf(sys.Stdout, "%s\n", raw)
		return true, err
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		return false, fmt.Errorf("%s: the exporter's answer is not the JSON expected: %w", method, err)
	}
	return false, nil
}
