package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Hidden are texts that pass no proxy and reach no capture, log or script: the
// token and the cookie of the web UI, which somebody opens through the proxy by
// mistake. What carries one is passed on without it.
//
// The zero value is empty and ready for use, by any number of goroutines. While
// it is empty it costs one atomic load for a request.
type Hidden struct {
	mu   sync.Mutex
	list atomic.Pointer[[]string]
}

// hidden is written in the place of a secret.
const hidden = "hidden"

// Add adds texts, until forget is called.
func (h *Hidden) Add(texts ...string) (forget func()) {
	h.change(func(list []string) []string { return append(list, texts...) })
	return sync.OnceFunc(func() {
		h.change(func(list []string) []string {
			return slices.DeleteFunc(list, func(s string) bool { return slices.Contains(texts, s) })
		})
	})
}

// change replaces the list by what edit makes of a copy.
func (h *Hidden) change(edit func([]string) []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []string
	if old := h.list.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = edit(list)
	h.list.Store(&list)
}

// texts returns the list; h may be nil.
func (h *Hidden) texts() []string {
	if h == nil {
		return nil
	}
	if list := h.list.Load(); list != nil {
		return *list
	}
	return nil
}

// target takes the texts out of a request target, however they are escaped.
func (h *Hidden) target(s string) string {
	list := h.texts()
	if len(list) == 0 {
		return s
	}
	s = replaced(s, list)
	if !strings.Contains(s, "%") {
		return s
	}
	if plain, err := url.QueryUnescape(s); err == nil && replaced(plain, list) != plain {
		path, _, _ := strings.Cut(s, "?")
		if plain, err := url.QueryUnescape(path); err != nil || replaced(plain, list) != plain {
			path = "/"
		}
		return path + "?" + hidden
	}
	return s
}

// header takes the texts out of headers that may carry them.
func (h *Hidden) header(of http.Header, names ...string) {
	list := h.texts()
	if len(list) == 0 {
		return
	}
	for _, name := range names {
		for i, v := range of[name] {
			if clean := replaced(v, list); clean != v {
				values := slices.Clone(of[name]) // others may hold the slice
				values[i] = clean
				of[name] = values
			}
		}
	}
}

func replaced(s string, list []string) string {
	for _, text := range list {
		if strings.Contains(s, text) {
			s = strings.ReplaceAll(s, text, hidden)
		}
	}
	return s
}
