package view

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"starproxy/driver/capture"
)

// maxCurl is up to which size a body is part of a curl command, in bytes.
const maxCurl = 64 << 10

// curl is the command that sends the request again.
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
		b.WriteString(" -X " + quoteShell(e.Method))
	}
	// Brackets and braces in a URL are not patterns.
	b.WriteString(" " + quoteShell(e.URL()) + " --globoff")
	for _, f := range e.RequestHeader {
		switch strings.ToLower(f.Name) {
		case "content-length", "proxy-connection":
			continue
		case "host":
			if f.Value = e.Authority; f.Value == hostOf(e) {
				continue
			}
		}
		b.WriteString(" \\\n  -H " + quoteShell(f.Name+": "+f.Value))
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
			b.WriteString(" \\\n  --data-raw " + quoteShell(data.String()))
		} else {
			b.WriteString(" \\\n  --data-binary @BODY")
		}
	}
	return b.String()
}

// hostOf is the Host header that curl sends by itself.
func hostOf(e *capture.Entry) string {
	u, err := url.Parse(e.URL())
	if err != nil {
		return ""
	}
	return u.Host
}

// quoteShell makes one word of s for a POSIX shell.
func quoteShell(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
