// Package web serves the browser's side of a driver: the page, and the methods
// that it calls.
//
// A Server is for any number of goroutines.
//
// driver makes one when a start asks for it.
package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"starproxy/driver/rpc"
)

//go:embed ui
var files embed.FS

// Numbered is an item of a stream after which the stream can be resumed, by a
// method that has the parameter "after".
type Numbered interface {
	// Number is the value for that parameter; 0 when there is none.
	Number() uint64
}

// callKey marks the context of a call that the page makes.
type callKey struct{}

// Calls reports whether ctx is that of a call that the page makes.
func Calls(ctx context.Context) bool { return ctx.Value(callKey{}) != nil }

const (
	// maxCall is how many bytes of arguments a call may have.
	maxCall = 64 << 20
	// beat is how often an idle stream sends a comment.
	beat = 15 * time.Second
	// tunnelToken is the token in the link of the stock client. It opens the page
	// through the tunnel only, because Jumpstarter has already authenticated the
	// client there.
	tunnelToken = "jumpstarter"
)

// Server is the web UI.
type Server struct {
	methods *rpc.Table
	log     *slog.Logger
	token   string
	session string
	names   []string // hosts that the page may be reached by, besides addresses
	http    *http.Server
	tunnels *tunnels
	assets  map[string]asset
}

// asset is a file of the page.
type asset struct {
	data []byte
	kind string
	etag string
}

// New makes a server that calls the methods of m. It has a token and a secret for its
// cookies of its own, so that a session ends with its server. host is the configured
// address to listen on.
func New(m *rpc.Table, host string, log *slog.Logger) (*Server, error) {
	s := &Server{methods: m, log: log, token: secret(), session: secret(), tunnels: newTunnels(), assets: map[string]asset{}}
	s.names = []string{"localhost"}
	for _, name := range []string{host, hostname()} {
		if name != "" {
			s.names = append(s.names, strings.ToLower(name), strings.ToLower(name)+".local")
		}
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", s.page)
	mux.HandleFunc("POST /api/call/{name}", s.call)
	mux.HandleFunc("GET /api/stream/{name}", s.stream)
	mux.HandleFunc("GET /api/file/{name}", s.file)
	s.http = &http.Server{
		Handler:           s.guard(mux),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if _, ok := c.(*tunnel); ok {
				return context.WithValue(ctx, tunnelKey{}, true)
			}
			return ctx
		},
	}
	go s.http.Serve(s.tunnels)
	return s, nil
}

// load reads the files of the page. All but index.html are in a directory
// that is named after a hash of them, so that a browser keeps them until another build
// has others.
func (s *Server) load() error {
	data, err := sources()
	if err != nil {
		return err
	}
	all := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(data)) {
		io.WriteString(all, data[name])
	}
	dir := "/" + hex.EncodeToString(all.Sum(nil)[:8]) + "/"
	for name, text := range data {
		at := dir + name
		if path.Ext(name) == ".html" {
			at = "/" + name
			text = strings.NewReplacer(`"app.css"`, `"`+dir+`app.css"`, `"app.js"`, `"`+dir+`app.js"`).Replace(text)
		}
		b := []byte(text)
		s.assets[at] = asset{b, mime.TypeByExtension(path.Ext(name)), etag(b)}
	}
	return nil
}

// secret returns 128 random bits as text.
func secret() string { return strings.ToLower(rand.Text()) }

func hostname() string {
	name, _ := os.Hostname()
	return name
}

// Token returns the token that opens the page. Each server has its own.
func (s *Server) Token() string { return s.token }

// Secrets returns the texts that give access: the token and the value of the cookies.
func (s *Server) Secrets() []string { return []string{s.token, s.session} }

// Serve answers the connections of a listener until Close.
func (s *Server) Serve(l net.Listener) { s.http.Serve(l) }

// Connect returns a connection to the server for a client that is authenticated
// already.
func (s *Server) Connect() (net.Conn, error) { return s.tunnels.connect() }

// Close ends all connections.
func (s *Server) Close() error {
	s.tunnels.Close()
	return s.http.Close()
}

func refuse(w http.ResponseWriter, status int, why string) { fail(w, status, "", why) }

func fail(w http.ResponseWriter, status int, code, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	text, _ := rpc.JSON(struct {
		Error string `json:"error"`
		Code  string `json:"code,omitempty"`
	}{why, code}) // texts can always be written
	io.WriteString(w, text+"\n")
}

// failed answers with the failure of a method.
func failed(w http.ResponseWriter, err error) {
	status, code := http.StatusInternalServerError, ""
	var r *rpc.Refusal
	if errors.As(err, &r) {
		status, code = r.Status()
	}
	fail(w, status, code, err.Error())
}

// page serves a file of the page.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path
	if name == "/" {
		name = "/index.html"
	}
	a, ok := s.assets[name]
	if !ok {
		refuse(w, http.StatusNotFound, "no such file")
		return
	}
	h := w.Header()
	if h.Set("Cache-Control", "no-cache"); name != "/index.html" {
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	h.Set("ETag", a.etag)
	h.Set("Content-Type", a.kind)
	if r.Header.Get("If-None-Match") == a.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Write(a.data)
}

// call calls a method.
func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "expected Content-Type application/json")
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, err.Error())
		return
	}
	args, err := arguments(string(data))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	result, err := s.methods.Value(context.WithValue(r.Context(), callKey{}, true), r.PathValue("name"), args)
	if err != nil {
		failed(w, err)
		return
	}
	text, err := rpc.JSON(map[string]any{"result": result})
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, text)
}

// arguments reads a JSON array; empty text has none.
func arguments(text string) ([]any, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var args []any
	if err := json.Unmarshal([]byte(text), &args); err != nil {
		return nil, errors.New("arguments: expected a JSON array")
	}
	return args, nil
}

// stream sends what a method streams, as server-sent events.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	args, err := arguments(r.URL.Query().Get("args"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		args = s.resume(name, args, last)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	seq, err := s.methods.Values(context.WithValue(ctx, callKey{}, true), name, args)
	if err != nil {
		failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	out := newEvents(w)
	defer out.close()
	for item, err := range seq {
		if err != nil {
			return
		}
		if out.send(item) != nil {
			return
		}
	}
	out.end()
}

// resume sets the argument "after" of a method that has such a parameter.
func (s *Server) resume(name string, args []any, after uint64) []any {
	info, _ := s.methods.Method(name)
	at := slices.IndexFunc(info.Params, func(p rpc.Param) bool { return p.Name == "after" })
	if at < 0 {
		return args
	}
	args = slices.Clone(args)
	for i := len(args); i <= at; i++ {
		args = append(args, info.Params[i].Default)
	}
	args[at] = float64(after)
	return args
}

// file downloads the bytes that a method streams.
func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	args, err := arguments(q.Get("args"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	seq, err := s.methods.Values(r.Context(), r.PathValue("name"), args)
	if err != nil {
		failed(w, err)
		return
	}
	h := w.Header()
	begun := false
	for item, err := range seq {
		data, ok := item.([]byte)
		if err == nil && !ok {
			err = rpc.Refuse(rpc.InvalidArgument, "%s streams no file", r.PathValue("name"))
		}
		if err != nil {
			if !begun {
				failed(w, err)
				return
			}
			panic(http.ErrAbortHandler) // else the browser takes the part for the whole
		}
		if !begun {
			begun = true
			h.Set("Content-Type", "application/octet-stream")
			h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(q.Get("as"))}))
		}
		if _, err := w.Write(data); err != nil {
			return
		}
	}
}
