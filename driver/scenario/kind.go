package scenario

import (
	"strconv"

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
}

// kinds lists the ways to answer; the first whose key a definition has is used.
func kinds() []kind {
	answer := []string{"status", "headers", "content_type", "latency_ms"}
	return []kind{
		{"addon", addonHandler, []string{"addon_config"}, func(d *definition) string { return "addon:" + d.get("addon").Value }},
		{"rules", rulesHandler, nil, func(d *definition) string { return d.count("rules") }},
		{"sequence", sequenceHandler, nil, func(d *definition) string { return d.count("sequence") }},
		{"patch", patchHandler, []string{"headers", "latency_ms"}, staticSummary},
		{"file", fileHandler, answer, func(d *definition) string { return d.statusText() + " file:" + d.get("file").Value }},
		{"file_template", fileTemplateHandler, answer, func(d *definition) string {
			return d.statusText() + " file:" + d.get("file_template").Value + " (template)"
		}},
		{"body_template", templateHandler, answer, func(d *definition) string { return d.statusText() + " (template)" }},
		{"body_text_template", textHandler, answer, func(d *definition) string { return d.statusText() + " (template)" }},
		{"body_base64", binaryHandler, answer, staticSummary},
		{"", staticHandler, append(answer, "body"), staticSummary},
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
