package proxy

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"starproxy/builtins/exchange"
)

// Hidden are texts that pass no proxy and reach no capture, log or script: the
// token and the cookie of the web UI, which somebody opens through the proxy by
// mistake. Requests and answers are passed on without them.
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

// change replaces the list by the result of edit on a copy.
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
	if plain := exchange.Unescape(s); replaced(plain, list) != plain {
		path := exchange.PathOf(s)
		if plain := exchange.Unescape(path); replaced(plain, list) != plain {
			path = "/"
		}
		return path + "?" + hidden
	}
	return s
}

// header takes the texts out of the lines that may carry them.
func (h *Hidden) header(of exchange.Header, names ...string) {
	list := h.texts()
	if len(list) == 0 {
		return
	}
	for i := range of {
		f := &of[i]
		if slices.ContainsFunc(names, func(name string) bool { return exchange.EqualName(name, f.Name) }) {
			f.Value = replaced(f.Value, list)
		}
	}
}

// escapedWord is a word of a text that may be an escaped target.
var escapedWord = regexp.MustCompile(`[^\s"]*%[^\s"]*`)

// text takes the texts out of s, which may have request targets in it.
func (h *Hidden) text(s string) string {
	list := h.texts()
	if len(list) == 0 {
		return s
	}
	return escapedWord.ReplaceAllStringFunc(replaced(s, list), h.target)
}

// cutOff takes away the beginning of a text at the end of s, which is itself the
// beginning of something longer.
func (h *Hidden) cutOff(s string) string {
	for _, text := range h.texts() {
		for n := len(text) - 1; n > 0; n-- {
			if strings.HasSuffix(s, text[:n]) {
				s = s[:len(s)-n]
				break
			}
		}
	}
	return s
}

func replaced(s string, list []string) string {
	for _, text := range list {
		if strings.Contains(s, text) {
			s = strings.ReplaceAll(s, text, hidden)
		}
	}
	return s
}
