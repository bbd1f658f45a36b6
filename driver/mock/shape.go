package mock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"starproxy/builtins/jsonvalue"
)

// Words of tests on a whole JSON body. They are no words of matchers in documents,
// where a map with one of them is a plain value.
const (
	includes  = "includes"
	hasSchema = "schema"
)

// Including returns the matcher of the JSON values that include want. A map includes a
// map if it has each of its keys, and the value there includes the other one. A list
// includes a list if each element of that one is included in one of its own. Any other
// value must be equal.
func Including(want any) *Matcher {
	return &Matcher{tests: []test{{word: includes, want: want}}}
}

// Conforming returns the matcher of the JSON values that conform to a JSON Schema, of
// draft 2020-12 when it does not name another one. The schema can't refer to other
// documents.
func Conforming(schema any) (*Matcher, error) {
	const name = "schema.json"
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	if err := c.AddResource(name, schema); err != nil {
		return nil, err
	}
	s, err := c.Compile(name)
	if err != nil {
		return nil, schemaFault(err)
	}
	return &Matcher{tests: []test{{word: hasSchema, want: schema, schema: s}}}, nil
}

// noLoader refuses all documents that a schema refers to.
type noLoader struct{}

func (noLoader) Load(address string) (any, error) {
	return nil, fmt.Errorf("got a reference to %s, want one within the schema", address)
}

// schemaFault says in one line why a schema is wrong.
func schemaFault(err error) error {
	var invalid *jsonschema.SchemaValidationError
	var breach *jsonschema.ValidationError
	if errors.As(err, &invalid) && errors.As(invalid.Err, &breach) {
		return errors.New(breachText(breach))
	}
	var loading *jsonschema.LoadURLError
	if errors.As(err, &loading) {
		return loading.Err
	}
	return err
}

// breachText returns the first breach of a schema, with its place in the value.
func breachText(err *jsonschema.ValidationError) string {
	for len(err.Causes) > 0 {
		err = err.Causes[0]
	}
	text := err.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	if len(err.InstanceLocation) == 0 {
		return text
	}
	return "at " + strings.Join(err.InstanceLocation, ".") + ": " + text
}

// breach returns the first difference between a JSON value and the one that t wants; ""
// for none.
func (t *test) breach(v any) string {
	switch t.word {
	case includes:
		return lacking(v, t.want, "")
	case hasSchema:
		var breach *jsonschema.ValidationError
		switch err := t.schema.Validate(v); {
		case errors.As(err, &breach):
			return breachText(breach)
		case err != nil:
			return err.Error()
		}
	}
	return ""
}

// Breach returns the first difference between a JSON value, with maps in the place of
// objects, and the one that [Including] or [Conforming] wants. It is empty when there is
// none, and for all other matchers.
func (m *Matcher) Breach(v any) string {
	for i := range m.tests {
		if text := m.tests[i].breach(v); text != "" {
			return text
		}
	}
	return ""
}

// lacking returns the first difference that keeps got from including want; "" for none.
func lacking(got, want any, path string) string {
	at := ""
	if path != "" {
		at = "at " + path + ": "
	}
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%sgot %s, want a map", at, compact(got))
		}
		for _, e := range jsonvalue.Sorted(want) {
			below := strings.TrimPrefix(path+"."+e.Key, ".")
			value, ok := object[e.Key]
			if !ok {
				return fmt.Sprintf("at %s: got no value, want %s", below, compact(e.Value))
			}
			if text := lacking(value, e.Value, below); text != "" {
				return text
			}
		}
		return ""
	case []any:
		list, ok := got.([]any)
		if !ok {
			return fmt.Sprintf("%sgot %s, want a list", at, compact(got))
		}
		return lackingElement(list, want, path)
	}
	if !jsonvalue.Equal(got, want) {
		return fmt.Sprintf("%sgot %s, want %s", at, compact(got), compact(want))
	}
	return ""
}

// lackingElement is lacking for lists.
func lackingElement(got, want []any, path string) string {
	for i, w := range want {
		found, text := false, ""
		for j, v := range got {
			below := strings.TrimPrefix(path+"."+strconv.Itoa(j), ".")
			differs := lacking(v, w, below)
			if found = differs == ""; found {
				break
			}
			if i == j {
				text = differs
			}
		}
		if !found {
			if text == "" || len(got) != len(want) {
				text = strings.TrimPrefix(fmt.Sprintf("at %s: got no element that includes %s", path, compact(w)), "at : ")
			}
			return text
		}
	}
	return ""
}

// Interface guard.
var _ jsonschema.URLLoader = noLoader{}
