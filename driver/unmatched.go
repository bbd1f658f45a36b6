package driver

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"starproxy/builtins/exchange"
)

// maxUnmatched bounds the requests that are counted. When there are more, the log
// says so once.
const maxUnmatched = 1000

// maxUnmatchedPath bounds the part of a path that tells requests apart, in bytes.
const maxUnmatchedPath = 300

// unmatchedHandler marks the requests that no mock answers and logs them before next
// answers. Of requests to the same host and path it logs the 1st, 10th, 100th and
// so on, so that they do not fill the log.
type unmatchedHandler struct {
	log  *slog.Logger
	next exchange.Handler

	mu    sync.Mutex
	times map[unmatchedKey]uint64
	full  bool // the log was told that there are too many
}

type unmatchedKey struct{ method, url string }

func newUnmatched(log *slog.Logger, next exchange.Handler) *unmatchedHandler {
	return &unmatchedHandler{log: log, next: next, times: map[unmatchedKey]uint64{}}
}

func (u *unmatchedHandler) Respond(ctx context.Context, x *exchange.Exchange) (*exchange.Response, error) {
	x.Unmatched = true
	r := x.Request
	path := r.Path()
	key := unmatchedKey{r.Method, r.Scheme + "://" + r.Host + path[:min(len(path), maxUnmatchedPath)]}
	switch times, full := u.count(key); {
	case full:
		u.log.Info(fmt.Sprintf("more than %d different requests match no mock; others are not logged", maxUnmatched))
	case tenfold(times):
		u.log.LogAttrs(ctx, slog.LevelInfo, "no mock matches: "+key.method+" "+key.url,
			slog.Uint64("times", times), slog.Uint64("exchange", x.ID))
	}
	return u.next.Respond(ctx, x)
}

// count counts a request. It reports whether the request is the first one that
// is too many to be counted.
func (u *unmatchedHandler) count(key unmatchedKey) (times uint64, full bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.times[key]; !known && len(u.times) == maxUnmatched {
		full, u.full = !u.full, true
		return 0, full
	}
	u.times[key]++
	return u.times[key], false
}

// tenfold reports whether n is 1, 10, 100 and so on.
func tenfold(n uint64) bool {
	for n >= 10 && n%10 == 0 {
		n /= 10
	}
	return n == 1
}

// Interface guards.
var _ exchange.Handler = (*unmatchedHandler)(nil)
