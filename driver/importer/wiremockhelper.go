package importer

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

// translate returns the expression for a helper of WireMock.
func (w *stub) translate(h *helper, parameters *yaml.Node) (string, bool, bool) {
	return w.rule.wireMockHelper(h, parameters)
}

// wireMockHelper returns the expression for a helper of WireMock
// (https://wiremock.org/docs/response-templating).
func (r *rule) wireMockHelper(h *helper, parameters *yaml.Node) (expression string, isText, ok bool) {
	to := func(h *helper) (string, bool, bool) { return r.wireMockHelper(h, parameters) }
	parts := steps(h.name)
	switch parts[0] {
	case "request":
		expression, ok = r.requestPart(parts[1:])
		return expression, true, ok && len(h.args) == 0
	case "parameters":
		if v := document.Child(parameters, strings.Join(parts[1:], ".")); v != nil && v.Kind == yaml.ScalarNode {
			return strconv.Quote(str(v)), true, true
		}
		return "", false, false
	case "jsonPath":
		return jsonPathHelper(h)
	case "now", "date":
		expression, ok = nowHelper(h)
		format := h.named["format"].text
		return expression, format != "epoch" && format != "unix", ok
	case "randomValue":
		expression, ok = randomValue(h)
		return expression, true, ok
	case "randomInt":
		low, lok := h.arg(-1, "lower")
		high, hok := h.arg(-1, "upper")
		if !lok {
			low.text = "0"
		}
		if !hok {
			high.text = "2147483647"
		}
		a, aok := low.number()
		b, bok := high.number()
		return fmt.Sprintf("random_int(%d, %d)", a, max(a, b-1)), false, aok && bok
	case "pickRandom":
		expression, ok = choice(h.args, to)
		return expression, false, ok
	}
	expression, ok = textHelper(h, to)
	return expression, h.name != "size", ok
}

// textHelper returns the expression for a helper that changes a text.
func textHelper(h *helper, to translator) (string, bool) {
	forms := map[string]string{"upper": "(%s).upper()", "lower": "(%s).lower()", "capitalize": "(%s).title()", "trim": "(%s).strip()",
		"size": "len(%s)", "base64": "sprig.b64enc(%s)", "uppercase": "(%s).upper()", "lowercase": "(%s).lower()"}
	form := forms[h.name]
	if form == "" || len(h.args) != 1 {
		return "", false
	}
	if d, ok := h.named["decode"]; ok && d.text == "true" {
		form = "sprig.b64dec(%s)"
	}
	v, ok := h.args[0].value(to)
	return fmt.Sprintf(form, v), ok
}

// choice returns the expression that picks one of several values.
func choice(args []argument, to translator) (string, bool) {
	var list []string
	for _, a := range args {
		v, ok := a.value(to)
		if !ok {
			return "", false
		}
		list = append(list, v)
	}
	return "random_choice(" + strings.Join(list, ", ") + ")", len(list) > 0
}

// requestPart returns the expression for a part of the request.
func (r *rule) requestPart(parts []string) (string, bool) {
	if len(parts) == 0 {
		return "", false
	}
	index := -1
	if len(parts) > 1 {
		if i, err := strconv.Atoi(parts[len(parts)-1]); err == nil && i >= 0 {
			index = i
		}
	}
	name := ""
	if len(parts) > 1 {
		name = parts[1]
	}
	switch parts[0] {
	case "id":
		return "uuid()", len(parts) == 1
	case "url":
		return "request_path()", len(parts) == 1
	case "path", "pathSegments":
		switch {
		case len(parts) == 1:
			return `request_path().split("?")[0]`, true
		case index >= 0:
			return fmt.Sprintf("request_path_segment(%d)", index), len(parts) == 2
		}
		return fmt.Sprintf("request_param(%q)", name), len(parts) == 2
	case "query":
		if index >= 0 && len(parts) == 3 {
			return fmt.Sprintf("(request_query_all(%q)[%d:] + [%q])[0]", name, index, ""), true
		}
		return fmt.Sprintf("request_query(%q)", name), len(parts) == 2
	case "headers":
		return fmt.Sprintf("request_header(%q)", name), len(parts) == 2 || len(parts) == 3 && index == 0
	case "cookies":
		return cookieExpression(name), len(parts) == 2 || len(parts) == 3 && index == 0
	case "body", "bodyAsString":
		return "request_body()", len(parts) == 1
	case "method":
		return strconv.Quote(r.method), len(parts) == 1 && r.method != ""
	case "host":
		return `request_header("Host").split(":")[0]`, len(parts) == 1
	}
	return "", false
}

// jsonPathHelper returns the expression for a value in the body.
func jsonPathHelper(h *helper) (expression string, isText, ok bool) {
	if len(h.args) != 2 || h.args[0].text != "request.body" || h.args[1].inner != nil {
		return "", false, false
	}
	path, ok := jsonPath(h.args[1].text)
	if !ok {
		return "", false, false
	}
	dflt := `""`
	if d, has := h.named["default"]; has {
		dflt = strconv.Quote(d.text)
	}
	return fmt.Sprintf("request_body_json(%q, %s)", path, dflt), false, true
}

// nowHelper returns the expression for the time.
func nowHelper(h *helper) (string, bool) {
	if len(h.args) > 0 {
		return "", false
	}
	now := "time.now()"
	if o, has := h.named["offset"]; has {
		d, ok := duration(o.text)
		if !ok {
			return "", false
		}
		now = fmt.Sprintf("(time.now() + time.parse_duration(%q))", d)
	}
	if z, has := h.named["timezone"]; has {
		now += fmt.Sprintf(".in_location(%q)", z.text)
	}
	f, has := h.named["format"]
	if !has {
		return now + `.format("2006-01-02T15:04:05Z07:00")`, true
	}
	switch f.text {
	case "epoch":
		return now + ".unix_nano // 1000000", true
	case "unix":
		return now + ".unix", true
	}
	layout, ok := dateLayout(f.text)
	return fmt.Sprintf("%s.format(%q)", now, layout), ok
}

// duration returns an offset such as "3 days" as a duration.
func duration(s string) (string, bool) {
	var n int
	var unit string
	if _, err := fmt.Sscanf(s, "%d %s", &n, &unit); err != nil {
		return "", false
	}
	switch strings.TrimSuffix(unit, "s") {
	case "second":
		return itoa(n) + "s", true
	case "minute":
		return itoa(n) + "m", true
	case "hour":
		return itoa(n) + "h", true
	case "day":
		return itoa(24*n) + "h", true
	}
	return "", false
}

// randomValue returns the expression for a random text.
func randomValue(h *helper) (string, bool) {
	kind, _ := h.arg(-1, "type")
	if kind.text == "UUID" {
		return "uuid()", true
	}
	n := 36
	if l, has := h.arg(-1, "length"); has {
		var ok bool
		if n, ok = l.number(); !ok || n < 1 || n > 10_000 {
			return "", false
		}
	}
	names := map[string]string{"ALPHANUMERIC": "randAlphaNum", "ALPHABETIC": "randAlpha", "NUMERIC": "randNumeric"}
	name := names[kind.text]
	return fmt.Sprintf("sprig.%s(%d)", name, n), name != ""
}
