package hold

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/capture"
)

// draft is a change or an answer as it was written. A part that is nil was not named.
type draft struct {
	method, url *string
	status      *int
	// lines is a whole header; named are single lines of it, of which a nil removes all
	// of that name.
	lines []([2]string)
	named []namedLine
	all   bool // lines was given, if only an empty one
	body  *content
}

type namedLine struct {
	name  string
	value *string
}

// content is a body as it was written.
type content struct {
	data []byte
	text bool // to be encoded as the header says
	kind string
}

// parseDraft reads a JSON object with some of the keys.
func parseDraft(text string, keys ...string) (*draft, error) {
	v, err := jsonvalue.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	o, ok := v.(jsonvalue.Object)
	if !ok {
		return nil, fmt.Errorf("got %s, want an object", jsonvalue.Short(v, 40))
	}
	d := &draft{}
	for _, m := range o {
		if !slices.Contains(keys, m.Key) {
			return nil, fmt.Errorf("got the key %s, want %s", excerpt.Quote(m.Key), strings.Join(keys, ", "))
		}
		if err := d.set(m.Key, m.Value); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Key, err)
		}
	}
	return d, nil
}

func (d *draft) set(key string, v any) (err error) {
	switch key {
	case "status":
		return d.setStatus(v)
	case "headers":
		return d.setHeaders(v)
	case "body":
		return d.setBody(v)
	}
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("got %s, want a text", jsonvalue.Short(v, 40))
	}
	switch key {
	case "method":
		if d.method = &s; !httpguts.ValidHeaderFieldName(s) {
			return fmt.Errorf("%s is no method", excerpt.Quote(s))
		}
	case "url":
		d.url = &s
	case "body_base64":
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return err
		}
		d.body = &content{data: data}
	}
	return nil
}

func (d *draft) setStatus(v any) error {
	status, err := strconv.Atoi(jsonvalue.Short(v, 40))
	if err != nil || status < 200 || status > 599 {
		return fmt.Errorf("got %s, want 200 to 599", jsonvalue.Short(v, 40))
	}
	d.status = &status
	return nil
}

func (d *draft) setBody(v any) error {
	if s, ok := v.(string); ok {
		d.body = &content{data: []byte(s), text: true}
		return nil
	}
	data, err := jsonvalue.Append(nil, v)
	d.body = &content{data: data, text: true, kind: "application/json"}
	return err
}

// errLines is the reason why headers can't be read.
var errLines = errors.New("want a list of [name, value], or an object of values by their names")

func (d *draft) setHeaders(v any) error {
	switch v := v.(type) {
	case []any:
		d.all = true
		for _, one := range v {
			pair, _ := one.([]any)
			if len(pair) != 2 {
				return fmt.Errorf("got %s, %w", jsonvalue.Short(one, 40), errLines)
			}
			name, ok1 := pair[0].(string)
			value, ok2 := pair[1].(string)
			if !ok1 || !ok2 {
				return fmt.Errorf("got %s, %w", jsonvalue.Short(one, 40), errLines)
			}
			d.lines = append(d.lines, [2]string{name, value})
		}
	case jsonvalue.Object:
		for _, m := range v {
			line := namedLine{name: m.Key}
			switch value := m.Value.(type) {
			case nil:
			case string:
				line.value = &value
			case jsonvalue.Object, []any:
				return fmt.Errorf("%s: got %s, want a text, or null to remove it", m.Key, jsonvalue.Short(value, 40))
			default:
				text := jsonvalue.Short(value, 40)
				line.value = &text
			}
			d.named = append(d.named, line)
		}
	default:
		return fmt.Errorf("got %s, %w", jsonvalue.Short(v, 40), errLines)
	}
	return nil
}

// header returns the header that before becomes. A line that is written as captures show
// it keeps its bytes.
func (d *draft) header(before exchange.Header) (exchange.Header, error) {
	h := before.Clone()
	if d.all {
		h = make(exchange.Header, 0, len(d.lines))
		shown := capture.Lines(before)
		for _, line := range d.lines {
			if i := slices.Index(shown, line); i >= 0 {
				h = append(h, before[i])
				continue
			}
			h.Add(line[0], line[1])
		}
	}
	for _, line := range d.named {
		if h.Del(line.name); line.value != nil {
			h = restore(h, before, line)
		}
	}
	for _, f := range h {
		switch {
		case slices.Contains(before, f):
		case !httpguts.ValidHeaderFieldName(f.Name):
			return nil, fmt.Errorf("headers: %s is no name of a header", excerpt.Quote(f.Name))
		case !httpguts.ValidHeaderFieldValue(f.Value):
			return nil, fmt.Errorf("headers: %s: got a value with control characters", f.Name)
		case exchange.EqualName(f.Name, "Transfer-Encoding"):
			return nil, errors.New("headers: the proxy writes Transfer-Encoding itself")
		}
	}
	return h, nil
}

// restore adds a line at the place and in the spelling that its name had before, else at
// the end.
func restore(h, before exchange.Header, line namedLine) exchange.Header {
	at := slices.IndexFunc(before, func(f exchange.Field) bool { return exchange.EqualName(f.Name, line.name) })
	if at < 0 || at > len(h) {
		h.Add(line.name, *line.value)
		return h
	}
	return slices.Insert(h, at, exchange.Field{Name: before[at].Name, Value: *line.value})
}

// bytes returns the body in the charset of a header.
func (c *content) bytes(h exchange.Header) ([]byte, error) {
	data := c.data
	if c.text {
		var ok bool
		if data, ok = exchange.EncodeText(c.data, h.Get("Content-Type")); !ok {
			return nil, fmt.Errorf("body: got characters that the content type %s does not have", excerpt.Quote(h.Get("Content-Type")))
		}
	}
	if len(data) > MaxBody {
		return nil, fmt.Errorf("body: got %d bytes, want at most %d", len(data), MaxBody)
	}
	return data, nil
}
