package scenario

import (
	"strconv"

	"starproxy/builtins/exchange"
)

// kind is a way to answer. To add one, add a row to kinds, its key to
// role.keys and to schema.json.
type kind struct {
	key string // the key that asks for it; empty for the last
	// handler makes what answers; it is called for definitions that have the key.
	handler func(d *definition) (exchange.Handler, error)
	// summary is what "j proxy mock list" prints.
	summary func(d *definition) string
}

// kinds lists the ways to answer; the first whose key a definition has is used.
func kinds() []kind {
	return []kind{
		{"addon", addonHandler, func(d *definition) string { return "addon:" + d.get("addon").Value }},
		{"rules", rulesHandler, func(d *definition) string { return d.count("rules") }},
		{"sequence", sequenceHandler, func(d *definition) string { return d.count("sequence") }},
		{"patch", patchHandler, staticSummary},
		{"file", fileHandler, func(d *definition) string { return d.statusText() + " file:" + d.get("file").Value }},
		{"body_template", templateHandler, func(d *definition) string { return d.statusText() + " (template)" }},
		{"", staticHandler, staticSummary},
	}
}

// handler makes what answers for the definition.
func (d *definition) handler() (exchange.Handler, kind, error) {
	for _, k := range kinds() {
		if k.key == "" || d.get(k.key) != nil {
			h, err := k.handler(d)
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
		if ms, _ := float(n); ms != 0 {
			s += " (+" + strconv.FormatFloat(ms, 'f', -1, 64) + "ms)"
		}
	}
	return s
}
