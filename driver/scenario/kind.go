package scenario

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/exchange"
	"starproxy/driver/document"
)

// kind is a way to answer. To add one, add a row to kinds, its key to
// role.keys and to schema.json.
type kind struct {
	key string // the key that selects the kind; empty for the last
	// handler returns the handler of a definition that has the key.
	handler func(d *definition) (exchange.Handler, error)
	// uses are the other keys that count; other keys lead to a warning.
	uses []string
	// summary returns the text that "j proxy mock list" prints.
	summary func(d *definition) string
	// words returns [mock.Endpoint.Kind].
	words func(d *definition) string
}

// kinds lists the ways to answer; the first whose key a definition has is used.
func kinds() []kind {
	answer := []string{"status", "headers", "content_type", "latency_ms"}
	return []kind{
		{"addon", addonHandler, []string{"addon_config"}, func(d *definition) string { return "addon:" + d.get("addon").Value },
			namedWord("addon", "addon")},
		{"rules", rulesHandler, nil, func(d *definition) string { return d.count("rules") }, rulesWords},
		{"sequence", sequenceHandler, nil, func(d *definition) string { return d.count("sequence") }, sequenceWords},
		{"patch", patchHandler, []string{"headers", "latency_ms"}, staticSummary, word("patch")},
		{"file", fileHandler, answer, func(d *definition) string { return d.statusText() + " file:" + d.get("file").Value },
			namedWord("file", "file")},
		{"file_template", fileTemplateHandler, answer, func(d *definition) string {
			return d.statusText() + " file:" + d.get("file_template").Value + " (template)"
		}, namedWord("file_template", "template of file")},
		{"body_template", templateHandler, answer, templateSummary, word("template")},
		{"body_text_template", textHandler, answer, templateSummary, word("template")},
		{"body_base64", binaryHandler, answer, staticSummary, word("static")},
		{"", staticHandler, append(answer, "body"), staticSummary, word("static")},
	}
}

// handler returns the handler of the definition.
func (d *definition) handler() (exchange.Handler, kind, error) {
	for _, k := range d.c.tables.kinds {
		if k.key == "" || d.get(k.key) != nil {
			d.check(k)
			h, err := k.handler(d)
			if err == nil && d.get("fault") != nil {
				h, err = d.faulty(h, k)
			}
			if err == nil && d.get("state") != nil {
				h, err = d.moving(h)
			}
			if err == nil && d.get("after") != nil {
				h, err = d.following(h)
			}
			return h, k, err
		}
	}
	panic("the last kind takes everything")
}

func (d *definition) statusText() string {
	status, _ := d.status()
	return strconv.Itoa(status)
}

func templateSummary(d *definition) string { return d.statusText() + " (template)" }

// word returns a function for kind.words whose result is always the same.
func word(s string) func(*definition) string { return func(*definition) string { return s } }

// namedWord returns a function for kind.words that adds the value of a key.
func namedWord(key, s string) func(*definition) string {
	return func(d *definition) string { return s + " " + d.get(key).Value }
}

func rulesWords(d *definition) string {
	if n := len(d.get("rules").Content); n != 1 {
		return strconv.Itoa(n) + " rules"
	}
	return "1 rule"
}

func sequenceWords(d *definition) string {
	return "sequence of " + strconv.Itoa(len(d.get("sequence").Content))
}

// describe returns [mock.Endpoint.Kind] of the definition.
func (d *definition) describe(k kind) string {
	if d.get("fault") == nil {
		return k.words(d)
	}
	b, err := d.breaking()
	if err != nil {
		return k.words(d)
	}
	fault := strings.Replace(b.String(), ":", " ", 1)
	if b.rate == 1 && b.Bare() {
		return fault
	}
	return k.words(d) + ", " + fault
}

func staticSummary(d *definition) string {
	s := d.statusText()
	if n := d.get("latency_ms"); n != nil {
		if n.Kind == yaml.MappingNode {
			return s + " (+random ms)"
		}
		if ms, _ := document.Float(n); ms != 0 {
			s += " (+" + strconv.FormatFloat(ms, 'f', -1, 64) + "ms)"
		}
	}
	return s
}

// summarize returns the text that "j proxy mock list" prints for the definition.
func (d *definition) summarize(k kind) string {
	if d.get("fault") == nil {
		return k.summary(d)
	}
	b, err := d.breaking()
	if err != nil || b.rate == 1 && b.Bare() {
		return b.String()
	}
	return k.summary(d) + " " + b.String()
}
