package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"starproxy/builtins/exchange"
)

// refuse answers a request that is no exchange with 400 and the reason.
func (p *Proxy) refuse(w http.ResponseWriter, cl *client, r *http.Request, why string) {
	p.logRefused(cl.addr.String(), why)
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	http.Error(w, why, http.StatusBadRequest)
}

func (p *Proxy) logRefused(client, why string) {
	p.log.Warn("request refused", slog.String("client", client), slog.String("error", why))
}

// explain sends an answer that net/http gives by itself, to a header that it
// does not take. To a bare "400 Bad Request" it adds the reason, by the header
// that was noted, and it logs what net/http does not tell of.
func (p *Proxy) explain(nc net.Conn, note *headNote, answer []byte) error {
	head, why, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	if string(why) == "400 Bad Request" {
		why = []byte("400 Bad Request: " + fault(string(note.buf)) + "\n")
		answer = slices.Concat(head, []byte("\r\n\r\n"), why)
	}
	if len(why) == 0 {
		why, _, _ = bytes.Cut(answer, []byte("\r\n"))
	}
	p.logRefused(peerOf(nc).Addr.String(), strings.TrimSpace(string(why)))
	_, err := nc.Write(answer)
	return err
}

// fault tells what is wrong with a header that net/http could not read. Texts
// that may carry a password are not shown.
func fault(head string) string {
	line, fields, whole := strings.Cut(strings.TrimLeft(head, "\r\n"), "\n")
	line = strings.TrimSuffix(line, "\r")
	method, rest, _ := strings.Cut(line, " ")
	target, proto, ok := strings.Cut(rest, " ")
	if method == "ONNECT" { // net/http reads a byte while it serves the request before
		method = http.MethodConnect
	}
	switch {
	case head == "": // it came together with the request before
		return "the header can't be read"
	case !whole:
		return "request line: got no end of it"
	case method == http.MethodConnect && ok:
		if _, err := connectTarget(target); err != nil {
			return err.Error()
		}
	case !ok && strings.IndexByte(line, '@') >= 0:
		return "request line: want METHOD TARGET HTTP/1.1"
	case !ok:
		return fmt.Sprintf("request line: got %s, want METHOD TARGET HTTP/1.1", exchange.Clip(line))
	}
	if !httpguts.ValidHeaderFieldName(method) {
		return fmt.Sprintf("method: got %s, want a token", exchange.Clip(method))
	}
	if _, _, ok := http.ParseHTTPVersion(proto); !ok {
		return fmt.Sprintf("version: got %s, want HTTP/1.1", exchange.Clip(proto))
	}
	if method == http.MethodConnect {
		target = "http://" + target
	}
	var bad *url.Error
	if _, err := url.ParseRequestURI(target); errors.As(err, &bad) {
		return "target: " + bad.Err.Error()
	}
	for n := 1; fields != ""; n++ {
		line, fields, _ = strings.Cut(fields, "\n")
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		switch {
		case line[0] == ' ' || line[0] == '\t': // goes on with the line before
		case !ok || !httpguts.ValidHeaderFieldName(name):
			return fmt.Sprintf("header line %d: want a name, \":\" and a value", n)
		case !httpguts.ValidHeaderFieldValue(strings.TrimSpace(value)):
			return fmt.Sprintf("header %s: want a value without control characters", name)
		}
	}
	return "the header can't be read"
}
