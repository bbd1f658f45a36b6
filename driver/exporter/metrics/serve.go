package metrics

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of what somebody can hold who reaches the listener.
const (
	requestTime = 10 * time.Second
	healthTime  = 5 * time.Second
	maxScrapes  = 4 // at the same time
	maxHeader   = 16 << 10
)

// Server answers /metrics, /healthz and /readyz. It asks for no password.
type Server struct {
	server *http.Server
	done   chan struct{}
	ready  atomic.Bool
}

// Serve answers on ln until the server is closed. health tells what is wrong
// with the process, nil for nothing; it keeps to its context.
func (m *Metrics) Serve(ln net.Listener, health func(context.Context) error) *Server {
	s := &Server{done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(m.log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	}))
	mux.HandleFunc("GET /healthz", answer(health))
	mux.HandleFunc("GET /readyz", answer(func(ctx context.Context) error {
		if !s.ready.Load() {
			return errors.New("the exporter is starting")
		}
		return health(ctx)
	}))
	s.server = &http.Server{
		Handler: mux, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("metrics are served no more", "address", ln.Addr().String(), "error", err)
		}
	}()
	return s
}

// SetReady tells /readyz whether the exporter has started. It has not until the
// first call.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// Close ends the server and every connection to it.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

// answer returns the handler of a probe: 200 and "ok", or 503 and the reason.
func answer(probe func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthTime)
		defer cancel()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		text := "ok"
		if err := probe(ctx); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			text = err.Error()
		}
		io.WriteString(w, text+"\n")
	}
}
