package view

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
	"starproxy/driver/rpc"
)

// copies are the forms in which a request is copied. proxy is "" for none.
var copies = []struct {
	name string
	copy func(e *capture.Entry, proxy string) string
}{
	{"curl", curl}, {"httpie", httpie}, {"python", pythonRequests}, {"raw", func(e *capture.Entry, _ string) string { return raw(e) }},
}

// copyRequest returns a command or a text that sends a captured request again, through a
// proxy if there is one.
func (s *Service) copyRequest(_ context.Context, seq int, form, proxy string) (string, error) {
	e, err := s.Entry("copy_request", seq)
	if err != nil {
		return "", err
	}
	var names []string
	for _, c := range copies {
		if names = append(names, c.name); c.name != form {
			continue
		}
		if e.Kind != capture.HTTP {
			return "", rpc.Refuse(rpc.FailedPrecondition, "copy_request: %d is no request", seq)
		}
		return c.copy(e, proxy), nil
	}
	return "", rpc.Refuse(rpc.InvalidArgument, "copy_request: argument form: got %q, want %s", form, strings.Join(names, ", "))
}

// httpie returns the command of HTTPie that sends the request again. A header that HTTPie
// would add is left out.
func httpie(e *capture.Entry, proxy string) string {
	var b strings.Builder
	data, whole := copiedBody(e)
	inline := whole && isText(data)
	b.WriteString("http")
	if inline {
		b.WriteString(" --ignore-stdin")
	}
	if proxy != "" {
		b.WriteString(" --proxy " + ShellWord("http:"+proxy) + " --proxy " + ShellWord("https:"+proxy))
		if e.Scheme == "https" {
			b.WriteString(" --verify no")
		}
	}
	if dotted(e) {
		b.WriteString(" --path-as-is")
	}
	b.WriteString(" " + ShellWord(e.Method) + " " + ShellWord(e.URL()))
	for f := range copied(e) {
		item := httpieName.Replace(f.Name) + ":"
		switch {
		case f.Value == "":
			item = httpieName.Replace(f.Name) + ";"
		case strings.ContainsAny(f.Value[:1], "=@"):
			item += `\` + f.Value
		default:
			item += f.Value
		}
		b.WriteString(" \\\n  " + ShellWord(item))
	}
	for _, name := range []string{"Accept", "Accept-Encoding", "User-Agent", "Content-Type"} {
		if !e.RequestHeader.Has(name) && (name != "Content-Type" || e.RequestBody.Size > 0) {
			b.WriteString(" \\\n  " + name + ":")
		}
	}
	switch {
	case e.RequestBody.Size == 0:
	case inline:
		b.WriteString(" \\\n  --raw " + ShellWord(string(data)))
	default:
		b.WriteString(" \\\n  < BODY")
	}
	return b.String()
}

// httpieName escapes what HTTPie takes for the end of a name.
var httpieName = strings.NewReplacer("=", `\=`, "@", `\@`, ";", `\;`)

// pythonRequests returns a program with the library requests that sends the request again.
// Lines of the same name are one there.
func pythonRequests(e *capture.Entry, proxy string) string {
	var b strings.Builder
	b.WriteString("import requests\n\nresponse = requests.request(\n")
	fmt.Fprintf(&b, "    %s,\n    %s,\n    headers={\n", pythonText(e.Method), pythonText(e.URL()))
	joined := exchange.Header{}
	for f := range copied(e) {
		separator := ", "
		if exchange.EqualName(f.Name, "Cookie") {
			separator = "; "
		}
		if joined.Has(f.Name) {
			joined.Set(f.Name, joined.Get(f.Name)+separator+f.Value)
		} else {
			joined.Add(f.Name, f.Value)
		}
	}
	for _, f := range joined {
		fmt.Fprintf(&b, "        %s: %s,\n", pythonText(f.Name), pythonText(f.Value))
	}
	for _, name := range []string{"Accept", "Accept-Encoding", "Connection", "User-Agent"} {
		if !joined.Has(name) {
			fmt.Fprintf(&b, "        %q: None,\n", name)
		}
	}
	b.WriteString("    },\n")
	if e.RequestBody.Size > 0 {
		if data, whole := copiedBody(e); whole {
			b.WriteString("    data=b" + pythonText(string(data)) + ",\n")
		} else {
			b.WriteString("    data=open(\"BODY\", \"rb\"),\n")
		}
	}
	if proxy != "" {
		fmt.Fprintf(&b, "    proxies={\"http\": %[1]s, \"https\": %[1]s},\n", pythonText(proxy))
		if e.Scheme == "https" {
			b.WriteString("    verify=False,\n")
		}
	}
	b.WriteString("    allow_redirects=False,\n)\nprint(response.status_code, response.reason)\nprint(response.text)\n")
	return b.String()
}

// pythonText returns s as a literal of Python. Each byte beyond ASCII is one character, as
// the headers of its clients are written in Latin-1; so it is for bytes, too.
func pythonText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// raw returns the request as HTTP/1.1, its header in the order and spelling of the device.
// A body that is no text is left out.
func raw(e *capture.Entry) string {
	var b strings.Builder
	b.WriteString(e.Method + " " + e.Target + " HTTP/1.1\r\n")
	for _, f := range e.RequestLines() {
		if !exchange.IsFraming(f.Name) {
			b.WriteString(f.Name + ": " + f.Value + "\r\n")
		}
	}
	data, whole := copiedBody(e)
	if e.RequestBody.Size > 0 || e.Method != http.MethodGet && e.RequestHeader.Has("Content-Length") {
		b.WriteString("Content-Length: " + strconv.FormatInt(e.RequestBody.Size, 10) + "\r\n")
	}
	b.WriteString("\r\n")
	if whole && isText(data) {
		b.Write(data)
	}
	return b.String()
}
