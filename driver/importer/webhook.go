package importer

import (
	"go.yaml.in/yaml/v3"

	"starproxy/driver/document"
)

// webhookSource is a request that a tool sends after an answer.
type webhookSource struct {
	at          *yaml.Node // for notes about the URL and the body
	url, method string     // an empty method is not written
	headers     []field
	delay       int64 // in milliseconds
}

// webhook returns the definition of a request that is sent after the answer. Its body
// is the one at source.at.
func (a *answer) webhook(source webhookSource) *yaml.Node {
	hook := newMap()
	document.Put(hook, "url", text(a.text(source.at, source.url)))
	if source.method != "" {
		document.Put(hook, "method", text(source.method))
	}
	headers := newMap()
	for _, f := range source.headers {
		add(headers, f.name, a.text(f.at, f.value))
	}
	if len(headers.Content) > 0 {
		document.Put(hook, "headers", headers)
	}
	if body := str(document.Child(source.at, "body")); body != "" {
		document.Put(hook, "body", text(a.text(source.at, body)))
	}
	if source.delay > 0 {
		document.Put(hook, "delay_ms", document.Integer(source.delay))
	}
	return hook
}
