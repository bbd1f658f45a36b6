package render

import (
	"regexp"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/builtins/jsonvalue"
)

// graphQLOfJSON returns the operations of a GraphQL request (GraphQL over HTTP): one, or
// several in a list. It returns nil for any other JSON.
func (b *builder) graphQLOfJSON(data []byte) *View {
	v, err := jsonvalue.Parse(data)
	if err != nil {
		return nil
	}
	list, many := v.([]any)
	if !many {
		list = []any{v}
	}
	return b.begin("GraphQL", func() []Part {
		var parts []Part
		for i, v := range list[:min(len(list), maxParts)] {
			o, _ := v.(jsonvalue.Object)
			query, ok := textIn(o, "query")
			if !ok || !operation.MatchString(query) {
				return nil
			}
			title, _ := textIn(o, "operationName")
			if many {
				title = strings.TrimSpace(strconv.Itoa(i+1) + " " + title)
			}
			parts = append(parts, Part{Title: title, Text: layGraphQL(query)})
			for _, m := range o {
				if m.Key != "query" && m.Key != "operationName" && m.Value != nil {
					parts = append(parts, b.valuePart(m.Key, m.Value))
				}
			}
		}
		return parts
	})
}

// graphQLOfQuery returns the operation that the query of a target has, nil for none.
func (b *builder) graphQLOfQuery(target string) *View {
	values := exchange.Values(exchange.QueryOf(target))
	query := values.Get("query")
	if !operation.MatchString(query) || !strings.Contains(strings.ToLower(exchange.PathOf(target)), "graphql") {
		return nil
	}
	return b.begin("GraphQL", func() []Part {
		parts := []Part{{Title: values.Get("operationName"), Text: layGraphQL(query)}}
		for _, name := range []string{"variables", "extensions"} {
			if v, err := jsonvalue.Parse([]byte(values.Get(name))); err == nil {
				parts = append(parts, b.valuePart(name, v))
			}
		}
		return parts
	})
}

func textIn(o jsonvalue.Object, key string) (string, bool) {
	v, _ := o.Get(key)
	s, ok := v.(string)
	return s, ok
}

// valuePart returns a part with a JSON value.
func (b *builder) valuePart(title string, v any) Part {
	text, err := jsonvalue.Append(nil, v)
	if err != nil {
		b.note(err)
		return Part{Title: title}
	}
	n, err := b.jsonValue(newJSONDecoder(text))
	b.note(err)
	return Part{Title: title, Tree: n}
}

// operation matches the beginning of a GraphQL document.
var operation = regexp.MustCompile(`^(\s|,|#[^\n]*\n)*(\{|(query|mutation|subscription|fragment)\b)`)

// graphQLToken matches a token of GraphQL (section 2.1): a string, a comment, space, a
// mark, or anything else.
var graphQLToken = regexp.MustCompile(`"""(?s:.*?)"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*|[\s,]+|[{}()\[\]:]|[^\s,{}()\[\]:"#]+|.`)

// layGraphQL lays a query out that is in one line: a line for each field, its fields further
// in. Any other one stays as its author wrote it.
func layGraphQL(query string) string {
	query = strings.TrimSpace(query)
	if strings.Contains(query, "\n") || len(query) > maxQuery {
		return query
	}
	l := &queryLayout{}
	for _, t := range graphQLToken.FindAllString(query, -1) {
		if strings.Trim(t, " \t\r,") == "" {
			l.space = t
			continue
		}
		l.token(t)
		l.before, l.last, l.space = l.last, t, ""
	}
	return l.out.String()
}

// maxQuery is the size of the largest query that is laid out, in bytes.
const maxQuery = 256 << 10

// queryLayout writes the tokens of a query.
type queryLayout struct {
	out strings.Builder
	// depth counts the selection sets around the token, round the lists of arguments,
	// values and objects.
	depth, round int
	// last is the token before, before the one before that, space what was between the
	// last and this one.
	last, before, space string
}

func (l *queryLayout) line() {
	l.out.WriteString("\n" + strings.Repeat("  ", min(l.depth, maxIndent)))
}

func (l *queryLayout) token(t string) {
	set := l.round == 0
	switch {
	case set && t == "}":
		l.depth = max(l.depth-1, 0)
		l.line()
	case l.last == "":
	case set && l.last == "{", set && l.last == "}":
		l.line()
	case set && t == "{":
		l.out.WriteString(" ")
	case !set, l.depth == 0:
		if strings.Contains(l.space, ",") {
			l.out.WriteString(", ")
		} else if l.space != "" {
			l.out.WriteString(" ")
		}
	case t == ":", t == "(":
	case l.last == ":", t[0] == '@', t == "on" && l.last == "...", l.last == "on" && l.before == "...":
		l.out.WriteString(" ")
	default:
		l.line()
	}
	switch {
	case set && t == "{":
		l.depth++
	case t == "(", t == "[", t == "{":
		l.round++
	case !set && (t == ")" || t == "]" || t == "}"):
		l.round--
	}
	l.out.WriteString(t)
}
