package contract

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"starproxy/builtins/excerpt"
)

// compiler compiles the schemas of a contract for one side.
type compiler struct {
	tree *tree
	conv converter
	c    *jsonschema.Compiler
	// loose are the patterns that Go's regular expressions can't express. They fit
	// everything.
	loose map[string]bool
}

func newCompiler(t *tree, conv converter) *compiler {
	c := &compiler{tree: t, conv: conv, c: jsonschema.NewCompiler(), loose: map[string]bool{}}
	c.c.DefaultDraft(jsonschema.Draft2020)
	c.c.AssertFormat()
	c.c.RegisterFormat(&jsonschema.Format{Name: "int32", Validate: func(v any) error { return within(v, 32) }})
	c.c.RegisterFormat(&jsonschema.Format{Name: "int64", Validate: func(v any) error { return within(v, 64) }})
	c.c.UseLoader(c)
	c.c.UseRegexpEngine(c.pattern)
	return c
}

// Load returns a converted file.
func (c *compiler) Load(address string) (any, error) {
	f, err := c.tree.load(address)
	if err != nil {
		return nil, err
	}
	return c.conv.convert(f.value, false), nil
}

// pattern compiles a regular expression of a schema, which is one of ECMA-262.
func (c *compiler) pattern(s string) (jsonschema.Regexp, error) {
	re, err := regexp.Compile(s)
	if err != nil {
		c.loose[s] = true
		return anything(s), nil
	}
	return re, nil
}

// anything is a regular expression that fits each text.
type anything string

func (a anything) MatchString(string) bool { return true }
func (a anything) String() string          { return string(a) }

// schema compiles the schema at a value.
func (c *compiler) schema(s spot) (*jsonschema.Schema, error) {
	compiled, err := c.c.Compile(s.url())
	if err != nil {
		return nil, s.fault("schema: %s", excerpt.Cut(firstReason(err.Error()), 400))
	}
	return compiled, nil
}

// firstReason returns the first line of an error that is no heading of others.
func firstReason(text string) string {
	lines := strings.Split(text, "\n")
	for _, line := range lines {
		reason := strings.TrimLeft(line, " ")
		if reason, ok := strings.CutPrefix(reason, "- "); ok && !strings.HasSuffix(reason, "failed") {
			return reason
		}
	}
	return lines[0]
}

// fault is one place of a value that breaks a schema.
type fault struct {
	at    string // JSON pointer into the value
	text  string
	place spot // of the key in the contract that is broken
}

// maxFaults bounds how many faults of one value are told.
const maxFaults = 5

// faults returns why a value does not fit a schema; nil if it does.
func (c *compiler) faults(s *jsonschema.Schema, v any) []fault {
	err := s.Validate(v)
	if err == nil {
		return nil
	}
	verr, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return []fault{{text: err.Error()}}
	}
	var list []fault
	c.leaves(verr, message.NewPrinter(language.English), &list)
	return list
}

// leaves adds the faults below an error.
func (c *compiler) leaves(e *jsonschema.ValidationError, p *message.Printer, list *[]fault) {
	if len(*list) >= maxFaults {
		return
	}
	var text string
	switch k := e.ErrorKind.(type) {
	case *kind.OneOf:
		if text = "fits none of oneOf"; len(k.Subschemas) > 0 {
			text = fmt.Sprintf("fits %d parts of oneOf, want one", len(k.Subschemas))
		} else {
			text += c.nearest(e, p)
		}
	case *kind.AnyOf:
		text = "fits none of anyOf" + c.nearest(e, p)
	case *kind.Not:
		text = "fits the schema under not"
		if flag := c.flagOf(e); flag != "" {
			text = fmt.Sprintf("is %s, so that it is not in %s", flag, []string{"a request", "an answer"}[c.conv.side])
		}
	case *kind.FalseSchema:
		text = "is not allowed here"
	case *kind.ExclusiveMinimum:
		text = fmt.Sprintf("got %s, want more than %s", k.Got.RatString(), k.Want.RatString())
	case *kind.ExclusiveMaximum:
		text = fmt.Sprintf("got %s, want less than %s", k.Got.RatString(), k.Want.RatString())
	default:
		if len(e.Causes) > 0 {
			for _, cause := range e.Causes {
				c.leaves(cause, p, list)
			}
			return
		}
		text = e.ErrorKind.LocalizedString(p)
	}
	at := ""
	for _, token := range e.InstanceLocation {
		at += "/" + escapePointer(token)
	}
	*list = append(*list, fault{at: at, text: excerpt.Cut(text, 300), place: c.place(e)})
}

// nearest returns the text of the fault in the part of oneOf or anyOf that a value comes
// closest to: the one whose fault is deepest in the value.
func (c *compiler) nearest(e *jsonschema.ValidationError, p *message.Printer) string {
	best, depth := "", -1
	for _, cause := range e.Causes {
		var list []fault
		c.leaves(cause, p, &list)
		for _, f := range list {
			if n := strings.Count(f.at, "/"); n > depth {
				best, depth = fmt.Sprintf("; nearest: %s %s", pointerName(f.at), f.text), n
			}
		}
	}
	return best
}

// pointerName returns a pointer for a message.
func pointerName(at string) string {
	if at == "" {
		return "the value"
	}
	return at
}

// flagOf returns readOnly or writeOnly if the schema of an error is in the place of such a
// property.
func (c *compiler) flagOf(e *jsonschema.ValidationError) string {
	s := c.place(e)
	at := strings.TrimSuffix(s.at, "/not")
	origin, err := c.tree.refer(spot{file: s.file, value: s.file.value}, "#"+(&url.URL{Fragment: at}).EscapedFragment())
	if err != nil {
		return ""
	}
	for _, flag := range []string{"readOnly", "writeOnly"} {
		if origin.truth(flag) {
			return flag
		}
	}
	return ""
}

// place returns the place of the key that an error is about.
func (c *compiler) place(e *jsonschema.ValidationError) spot {
	address, pointer, _ := strings.Cut(e.SchemaURL, "#")
	u, err := url.Parse(address)
	if err != nil {
		return spot{}
	}
	f := c.tree.files[filepath.FromSlash(u.Path)]
	if f == nil {
		return spot{}
	}
	if plain, err := url.PathUnescape(pointer); err == nil {
		pointer = plain
	}
	for _, key := range e.ErrorKind.KeywordPath() {
		pointer += "/" + escapePointer(key)
	}
	return spot{file: f, at: pointer}
}

// within reports a whole number that does not fit a signed integer of that many bits.
func within(v any, bits int) error {
	text := ""
	switch v := v.(type) {
	case int64:
		if bits == 64 || v == int64(int32(v)) {
			return nil
		}
		text = fmt.Sprint(v)
	case fmt.Stringer: // json.Number
		if text = v.String(); strings.ContainsAny(text, ".eE") {
			return nil
		}
	default:
		return nil
	}
	return fmt.Errorf("%s has more than %d bits", text, bits)
}
