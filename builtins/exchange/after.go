package exchange

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// maxAfter bounds what one exchange can ask for after its answer.
const maxAfter = 100

// afterwards is what is begun once an answer is sent. The zero value is ready
// for use; it costs an exchange that asks for nothing two atomic accesses.
type afterwards struct {
	sent  atomic.Bool
	aside sync.Mutex
	list  atomic.Pointer[afterList] // nil as long as nothing was asked for
}

type afterList struct {
	mu  sync.Mutex
	dos []func()
	n   int // how many were asked for
}

// After calls do once the answer has been sent; for one that goes on without a
// known end, such as a stream or a WebSocket, once it has begun. After that, do
// is called at once. It must be quick. More than 100 for one exchange are an
// error.
func (x *Exchange) After(do func()) error {
	x.after.list.CompareAndSwap(nil, new(afterList))
	l := x.after.list.Load()
	l.mu.Lock()
	if l.n++; l.n > maxAfter {
		l.mu.Unlock()
		return fmt.Errorf("more than %d are asked for by one request", maxAfter)
	}
	sent := x.after.sent.Load()
	if !sent {
		l.dos = append(l.dos, do)
	}
	l.mu.Unlock()
	if sent {
		do()
	}
	return nil
}

// Answered begins what After was given. Further calls do nothing.
func (x *Exchange) Answered() {
	x.after.sent.Store(true)
	l := x.after.list.Load()
	if l == nil {
		return
	}
	l.mu.Lock()
	dos := l.dos
	l.dos = nil
	l.mu.Unlock()
	for _, do := range dos {
		do()
	}
}

// Aside calls fn. What comes after the answer to one exchange and uses its
// request goes through here, one at a time.
func (x *Exchange) Aside(fn func()) {
	x.after.aside.Lock()
	defer x.after.aside.Unlock()
	fn()
}

// Endless reports whether sending a body has no known end.
func Endless(b Body) bool {
	if b == nil {
		return false
	}
	if _, lasts := b.(Lasting); lasts {
		return true
	}
	s, ok := b.(Sized)
	return !ok || s.Size() < 0
}
