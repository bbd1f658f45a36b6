package importer

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

// recognised finds a helper that only a template of WireMock has.
var recognised = regexp.MustCompile(`\{\{[{~]?\s*(request\.|jsonPath|xPath|randomValue|randomInt|now\b|pickRandom)`)

// response reads the answer of a mapping.
func (w *stub) response(n *yaml.Node) error {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil // WireMock answers 200
	}
	if base := str(document.Child(n, "proxyBaseUrl")); base != "" {
		w.proxy(n, base)
		return nil
	}
	a := w.reply(w.answer, whole(document.Child(n, "status"), 200), document.Field(n, "status"))
	if w.fault(a, n) {
		w.delays(a, n)
		return nil
	}
	w.templates(a, n)
	a.fields(headerFields(document.Child(n, "headers")))
	for k, v := range pairs(n) {
		if v.Tag == "!!null" {
			continue
		}
		switch k.Value {
		case "body":
			a.body(v, str(v))
		case "jsonBody":
			a.json(v)
		case "base64Body":
			a.base64(v, str(v))
		case "bodyFileName":
			if err := a.file(w.c, v, str(v)); err != nil {
				return err
			}
		case "statusMessage":
			w.note(v, "statusMessage is left out: the usual phrase of the status is sent")
		}
	}
	w.delays(a, n)
	return nil
}

// templates decides whether the values of an answer have helpers.
func (w *stub) templates(a *answer, n *yaml.Node) {
	parameters := document.Child(n, "transformerParameters")
	to := func(h *helper) (string, bool, bool) { return w.translate(h, parameters) }
	if list := document.Child(n, "transformers"); list != nil {
		for _, t := range items(list) {
			if str(t) == "response-template" {
				a.translate = to
			} else {
				w.note(t, "the transformer %s has no counterpart", str(t))
			}
		}
	}
	if a.translate == nil && recognised.Match(document.AppendJSON(nil, n)) {
		a.translate = to
		w.note(n, "the answer is taken for a template, though the mapping has no transformer response-template")
	}
}

// headerFields returns the headers of a map from names to a value or to a list.
func headerFields(n *yaml.Node) (list []field) {
	for k, v := range pairs(n) {
		if v.Kind == yaml.SequenceNode {
			for _, c := range v.Content {
				list = append(list, field{k.Value, str(c), c})
			}
			continue
		}
		list = append(list, field{k.Value, str(v), v})
	}
	return list
}

// fault sets the fault of an answer, and reports whether it has one.
func (w *stub) fault(a *answer, n *yaml.Node) bool {
	v := document.Child(n, "fault")
	if v == nil || v.Tag == "!!null" {
		return false
	}
	switch str(v) {
	case "CONNECTION_RESET_BY_PEER":
		w.set("fault", text("reset"))
	case "EMPTY_RESPONSE":
		w.set("fault", text("close"))
	case "MALFORMED_RESPONSE_CHUNK", "RANDOM_DATA_THEN_CLOSE":
		w.set("fault", text("garbage"))
		if str(v) == "MALFORMED_RESPONSE_CHUNK" {
			w.note(v, "fault: %s became garbage in place of the answer, without an OK before it", str(v))
		}
	default:
		w.note(v, "fault: %q is not known and is left out", str(v))
		return false
	}
	// Nothing of the answer is sent.
	a.to.Content = document.Only(a.to, "state", "fault").Content
	return true
}

// delays sets the wait before the answer. A fixed wait and one by chance are added.
func (w *stub) delays(a *answer, n *yaml.Node) {
	fixed, _ := document.Float(child(n, "fixedDelayMilliseconds"))
	if v := document.Child(n, "delayDistribution"); v != nil && v.Tag != "!!null" {
		w.distribution(a, v, fixed)
	} else {
		a.latency(fixed)
	}
	if v := document.Child(n, "chunkedDribbleDelay"); v != nil && v.Tag != "!!null" {
		total := whole(document.Child(v, "totalDuration"), 0)
		w.note(v, "chunkedDribbleDelay: the answer comes as a whole after %d ms, and not in parts; fault: drip sends slowly", total)
		if !document.Has(a.to, "latency_ms") {
			a.latency(float64(total))
		}
	}
}

// distribution sets a wait by chance, and a fixed one before it.
func (w *stub) distribution(a *answer, n *yaml.Node, fixed float64) {
	get := func(key string) float64 {
		f, _ := document.Float(child(n, key))
		return f
	}
	out := newMap()
	out.Style = yaml.FlowStyle
	switch kind := str(document.Child(n, "type")); kind {
	case "fixed":
		a.latency(fixed + get("milliseconds"))
		return
	case "uniform":
		document.Put(out, "min", number(fixed+get("lower")))
		document.Put(out, "max", number(fixed+get("upper")))
	case "lognormal":
		document.Put(out, "distribution", text("lognormal"))
		document.Put(out, "median", number(get("median")))
		document.Put(out, "sigma", number(get("sigma")))
		if document.Has(n, "maxValue") {
			document.Put(out, "max", number(get("maxValue")))
		}
		if fixed > 0 {
			w.note(n, "fixedDelayMilliseconds is left out beside a lognormal delayDistribution")
		}
	default:
		w.note(n, "delayDistribution: the type %q has no counterpart", kind)
		a.latency(fixed)
		return
	}
	document.Put(a.to, "latency_ms", out)
}

// proxy passes requests on to another server.
func (w *stub) proxy(n *yaml.Node, base string) {
	if strings.Contains(base, "{{") {
		w.leaveOut(n, "proxyBaseUrl is a template")
		return
	}
	for _, key := range []string{"additionalProxyRequestHeaders", "removeProxyRequestHeaders", "proxyUrlPrefixToRemove"} {
		if v := document.Child(n, key); v != nil && v.Tag != "!!null" {
			w.note(v, "%s has no counterpart", key)
		}
	}
	w.function = fmt.Sprintf(`lambda req: forward(req, url = %q + req.url.split("/", 3)[3])`, strings.TrimSuffix(base, "/")+"/")
}

// listeners reads the requests that are sent after an answer.
func (w *stub) listeners(key string, n *yaml.Node) {
	list := items(n)
	for k, v := range pairs(n) { // the older form: a map of names to parameters
		pair := newMap()
		document.Put(pair, "name", k)
		document.Put(pair, "parameters", v)
		pair.Line, pair.Column = k.Line, k.Column
		list = append(list, pair)
	}
	out := newList()
	for _, l := range list {
		p := document.Child(l, "parameters")
		if str(document.Child(l, "name")) != "webhook" || p == nil {
			w.note(l, "%s: %q has no counterpart", key, str(document.Child(l, "name")))
			continue
		}
		out.Content = append(out.Content, w.webhook(p))
	}
	if len(out.Content) > 0 && w.function == "" {
		w.set("after", out)
	}
}

// webhook reads the parameters of one request.
func (w *stub) webhook(p *yaml.Node) *yaml.Node {
	a := &answer{r: w.rule, translate: func(h *helper) (string, bool, bool) {
		inner := *h
		if rest, ok := strings.CutPrefix(h.name, "originalRequest."); ok {
			inner.name = "request." + rest
		}
		return w.rule.wireMockHelper(&inner, nil)
	}}
	method := str(document.Child(p, "method"))
	if method == "POST" {
		method = ""
	}
	return a.webhook(webhookSource{
		at: p, url: str(document.Child(p, "url")), method: method, headers: headerFields(document.Child(p, "headers")),
		delay: whole(document.Child(document.Child(p, "delay"), "milliseconds"), 0),
	})
}
