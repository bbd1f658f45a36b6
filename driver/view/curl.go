package view

import (
	"bytes"
	"net/http"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// maxCurl is the size of the largest body that a curl command contains, in bytes.
const maxCurl = 64 << 10

// curl returns the command that sends the request again.
func curl(e *capture.Entry) string {
	if e.Kind != capture.HTTP {
		return ""
	}
	var b strings.Builder
	b.WriteString("curl")
	switch {
	case e.Method == http.MethodHead:
		b.WriteString(" -I")
	case e.Method != http.MethodGet && !(e.Method == http.MethodPost && e.RequestBody.Size > 0):
		b.WriteString(" -X " + ShellWord(e.Method))
	}
	// With --globoff curl does not take brackets and braces in a URL for patterns.
	b.WriteString(" " + ShellWord(e.URL()) + " --globoff")
	for _, f := range e.RequestHeader {
		switch {
		case exchange.EqualName(f.Name, "Content-Length"), exchange.IsForProxy(f.Name):
			continue
		case exchange.EqualName(f.Name, "Host"):
			if f.Value = e.Authority; f.Value == exchange.URLAuthority(e.Scheme, e.Host, e.Port) {
				continue
			}
		}
		b.WriteString(" \\\n  -H " + ShellWord(f.Name+": "+f.Value))
	}
	if e.RequestBody.Size > 0 {
		r, err := capture.OpenBody(e.RequestBody)
		if err != nil {
			return b.String() + " \\\n  --data-binary @BODY"
		}
		defer r.Close()
		var data bytes.Buffer
		data.ReadFrom(http.MaxBytesReader(nil, r, maxCurl))
		if int64(data.Len()) == e.RequestBody.Size && utf8.Valid(data.Bytes()) && bytes.IndexByte(data.Bytes(), 0) < 0 {
			b.WriteString(" \\\n  --data-raw " + ShellWord(data.String()))
		} else {
			b.WriteString(" \\\n  --data-binary @BODY")
		}
	}
	return b.String()
}

// ShellWord returns s as one word of a POSIX shell, in quotes where it needs them.
func ShellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
