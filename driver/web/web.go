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
	log     *slog.Logger
	opened  *opened
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
	s := &Server{log: log, opened: newOpened(log), token: secret(), session: secret(), tunnels: newTunnels(), assets: map[string]asset{}}
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
	api{m}.handle(mux, "/")
	mux.HandleFunc("POST /api/open", s.opened.upload)
	for _, method := range []string{"GET", "POST"} {
		mux.HandleFunc(method+" /opened/{id}/{rest...}", func(w http.ResponseWriter, r *http.Request) { s.opened.serve(w, r, s.page) })
	}
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
	data[editorFile] = editorBundle()
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
	defer s.opened.close()
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
