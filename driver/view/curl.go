package view

import (
	"bytes"
	"io"
	"iter"
	"net/http"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// maxCurl is the size of the largest body that a copied command contains, in bytes.
const maxCurl = 64 << 10

// curl returns the command that sends the request again, through a proxy if there is one.
// Answers are decompressed as the request allows it.
func curl(e *capture.Entry, proxy string) string {
	if e.Kind != capture.HTTP {
		return ""
	}
	var b strings.Builder
	b.WriteString("curl")
	if proxy != "" {
		b.WriteString(" -x " + ShellWord(proxy))
		if e.Scheme == "https" {
			b.WriteString(" -k") // our CA need not be known
		}
	}
	switch {
	case e.Method == http.MethodHead:
		b.WriteString(" -I")
	case e.Method != http.MethodGet && !(e.Method == http.MethodPost && e.RequestBody.Size > 0):
		b.WriteString(" -X " + ShellWord(e.Method))
	}
	// With --globoff curl does not take brackets and braces in a URL for patterns.
	b.WriteString(" " + ShellWord(e.URL()) + " --globoff")
	if dotted(e) {
		b.WriteString(" --path-as-is")
	}
	if e.RequestHeader.Has("Accept-Encoding") {
		b.WriteString(" --compressed")
	}
	for f := range copied(e) {
		if f.Value == "" {
			b.WriteString(" \\\n  -H " + ShellWord(f.Name+";"))
			continue
		}
		b.WriteString(" \\\n  -H " + ShellWord(f.Name+": "+f.Value))
	}
	if e.RequestBody.Size > 0 {
		if !e.RequestHeader.Has("Content-Type") {
			b.WriteString(" \\\n  -H Content-Type:")
		}
		if data, whole := copiedBody(e); whole && isText(data) {
			b.WriteString(" \\\n  --data-raw " + ShellWord(string(data)))
		} else {
			b.WriteString(" \\\n  --data-binary @BODY")
		}
	}
	return b.String()
}

// dotted reports whether the path has segments that clients resolve.
func dotted(e *capture.Entry) bool {
	return strings.Contains(e.Path()+"/", "/./") || strings.Contains(e.Path()+"/", "/../")
}

// copied yields the lines of the header that a client does not make itself.
func copied(e *capture.Entry) iter.Seq[exchange.Field] {
	return func(yield func(exchange.Field) bool) {
		for _, f := range e.RequestHeader {
			switch {
			case exchange.EqualName(f.Name, "Content-Length"), exchange.IsForProxy(f.Name):
				continue
			case exchange.EqualName(f.Name, "Host"):
				if f.Value = e.Authority; f.Value == exchange.URLAuthority(e.Scheme, e.Host, e.Port) {
					continue
				}
			}
			if !yield(f) {
				return
			}
		}
	}
}

// copiedBody returns the body as it was sent. whole is false for one that was not kept or is
// too long.
func copiedBody(e *capture.Entry) (data []byte, whole bool) {
	r, err := capture.OpenBody(e.RequestBody)
	if err != nil {
		return nil, false
	}
	defer r.Close()
	data, err = io.ReadAll(io.LimitReader(r, maxCurl+1))
	return data, err == nil && len(data) <= maxCurl && int64(len(data)) == e.RequestBody.Size
}

// isText reports whether a shell can have data in a word.
func isText(data []byte) bool { return utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 }

// ShellWord returns s as one word of a POSIX shell, in quotes where it needs them.
func ShellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
