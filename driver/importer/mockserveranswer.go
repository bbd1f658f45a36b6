package importer

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

// action reads the answer.
func (e *expectation) action(n *yaml.Node) error {
	for k, v := range document.Pairs(n) {
		switch k.Value {
		case "httpResponse":
			return e.response(v)
		case "httpForward":
			e.forward(v)
			return nil
		case "httpError":
			e.fail(v)
			return nil
		}
		if strings.HasPrefix(k.Value, "http") && k.Value != "httpRequest" {
			e.leaveOut(v, "%s has no counterpart", k.Value)
			return nil
		}
	}
	e.leaveOut(n, "it has no answer")
	return nil
}

// forward passes requests on to another server.
func (e *expectation) forward(v *yaml.Node) {
	scheme, host, port := strings.ToLower(str(document.Child(v, "scheme"))), str(document.Child(v, "host")), str(document.Child(v, "port"))
	if scheme == "" {
		scheme = "http"
	}
	if port != "" {
		host += ":" + port
	}
	e.function = fmt.Sprintf(`lambda req: forward(req, url = %q + req.url.split("/", 3)[3])`, scheme+"://"+host+"/")
}

// fail reads an error of the network.
func (e *expectation) fail(v *yaml.Node) {
	e.set("fault", text("close"))
	if str(document.Child(v, "responseBytes")) != "" {
		replace(e.answer, "fault", text("garbage"))
		e.note(v, "httpError: other bytes than responseBytes are sent")
	}
	e.delay(v)
}

// delay reads the wait before an answer.
func (e *expectation) delay(v *yaml.Node) {
	d := document.Child(v, "delay")
	if d == nil {
		return
	}
	units := map[string]float64{"NANOSECONDS": 1e-6, "MICROSECONDS": 1e-3, "MILLISECONDS": 1, "SECONDS": 1e3, "MINUTES": 6e4,
		"HOURS": 3.6e6, "DAYS": 8.64e7}
	f, _ := document.Float(child(d, "value"))
	unit, ok := units[str(document.Child(d, "timeUnit"))]
	if !ok {
		e.note(d, "delay: got no value and timeUnit that have a counterpart")
		return
	}
	a := &answer{r: e.rule, to: e.answer}
	a.latency(f * unit)
}

// response reads an answer.
func (e *expectation) response(v *yaml.Node) error {
	a := e.reply(e.answer, whole(document.Child(v, "statusCode"), 200), document.Field(v, "statusCode"))
	fields := e.fields(document.Child(v, "headers"))
	for k, c := range pairs(document.Child(v, "cookies")) {
		fields = append(fields, field{"Set-Cookie", k.Value + "=" + str(c), c})
	}
	for _, c := range items(document.Child(v, "cookies")) {
		fields = append(fields, field{"Set-Cookie", str(document.Child(c, "name")) + "=" + str(document.Child(c, "value")), c})
	}
	body := document.Child(v, "body")
	if typ := contentTypeOf(body); typ != "" && !hasField(fields, "Content-Type") {
		fields = append(fields, field{"Content-Type", typ, body})
	}
	a.fields(fields)
	for _, key := range []string{"reasonPhrase", "connectionOptions", "trailers"} {
		if n := document.Child(v, key); n != nil && n.Tag != "!!null" {
			e.note(n, "httpResponse.%s has no counterpart", key)
		}
	}
	e.delay(v)
	if body == nil || body.Tag == "!!null" {
		return nil
	}
	return e.content(a, body)
}

// contentTypeOf returns the content type that a body names, or that its type has.
func contentTypeOf(body *yaml.Node) string {
	if typ := str(document.Child(body, "contentType")); typ != "" {
		return typ
	}
	if strings.EqualFold(str(document.Child(body, "type")), "XML") {
		return "application/xml"
	}
	return ""
}

// content reads the body of an answer.
func (e *expectation) content(a *answer, body *yaml.Node) error {
	if body.Kind == yaml.ScalarNode {
		a.body(body, str(body))
		return nil
	}
	switch kind := strings.ToUpper(str(document.Child(body, "type"))); kind {
	case "STRING":
		a.body(body, str(document.Child(body, "string")))
	case "XML":
		a.body(body, str(document.Child(body, "xml")))
	case "BINARY":
		a.base64(body, str(document.Child(body, "base64Bytes")))
	case "JSON":
		if v := child(body, "json"); v.Kind == yaml.ScalarNode && v.Tag == "!!str" {
			a.body(v, v.Value)
		} else if v.Kind != 0 {
			a.json(v)
		}
	case "":
		a.json(body)
	default:
		e.note(body, "a body of the type %s has no counterpart and is left out", kind)
	}
	return nil
}

// fields returns headers, in either of their forms.
func (e *expectation) fields(n *yaml.Node) []field {
	list := headerFields(n)
	for _, item := range items(n) {
		for _, v := range items(document.Child(item, "values")) {
			list = append(list, field{str(document.Child(item, "name")), str(v), v})
		}
	}
	return slices.DeleteFunc(list, func(f field) bool { return f.name == "keyMatchStyle" })
}

// times lets an expectation answer only so many requests, by a state of its own.
func (e *expectation) times(n *yaml.Node) {
	if ttl := document.Child(n, "timeToLive"); ttl != nil && !isTrue(document.Child(ttl, "unlimited")) {
		e.note(ttl, "timeToLive has no counterpart: the endpoint answers without end")
	}
	times := document.Child(n, "times")
	count := whole(document.Child(times, "remainingTimes"), 0)
	if times == nil || isTrue(document.Child(times, "unlimited")) || count < 1 {
		return
	}
	name := "expectation " + itoa(e.place)
	state := func(is, then string) *yaml.Node {
		s := newMap()
		s.Style = yaml.FlowStyle
		document.Put(s, "scenario", text(name))
		if is != "" {
			document.Put(s, "is", text(is))
		}
		if then != "" {
			document.Put(s, "then", text(then))
		}
		return s
	}
	if e.function != "" {
		e.note(times, "times has no counterpart where requests are passed on")
		return
	}
	if count == 1 {
		e.set("state", state("Started", "over"))
		return
	}
	first := document.Map(e.answer, slices.Clone(e.answer.Content))
	last := document.Map(e.answer, slices.Clone(e.answer.Content))
	document.Put(first, "repeat", document.Integer(count-1))
	document.Put(last, "state", state("", "over"))
	e.answer = newMap()
	e.set("state", state("Started", ""))
	e.set("sequence", newList(first, last))
}
