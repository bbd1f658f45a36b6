package proxy

import (
	"context"
	"io"
	"sync"
	"time"
)

// lookAfter is how long a request is served before its device is looked for: most
// are answered sooner, and looking costs a goroutine and two deadlines.
const lookAfter = 20 * time.Millisecond

// leaveTime is how long a device that sends no more has to get its answer. It may
// have closed its half of the connection only (RFC 9112 section 9.6); one that has
// left looks the same until something is written to it.
const leaveTime = 3 * time.Second

// presence finds out whether the device is still connected while its request is
// served. It is the context of the request. It does nothing until lookAfter has
// passed. Then, if the context is used and the body has come, it reads from the
// device: the next bytes are the next request, or the end of the connection.
type presence struct {
	s *h1Session

	mu     sync.Mutex
	ctx    context.Context // nil until it is needed
	cancel context.CancelFunc
	cut    func()        // to be called when the device leaves or the proxy ends
	uncut  func() bool   // stops that; nil until the time has come
	waits  bool          // for lookAfter
	due    bool          // it has passed
	whole  bool          // the body has come
	over   bool          // the request is served
	looks  chan struct{} // closed when nobody looks any more; nil when nobody does
	enough chan struct{} // closed to end the looking; made with looks
}

// end is called behind the request. Nothing reads from the connection after it, and the
// context ends.
func (d *presence) end() {
	d.stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}

// bodyEnded notes that the next bytes are not part of the request.
func (d *presence) bodyEnded() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.whole = true
	d.look()
}

// get returns the context of the request. It ends when the device leaves, with
// the proxy, and when the request is served.
func (d *presence) get() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.need()
}

func (d *presence) need() context.Context {
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancel(d.s.ctx)
		d.wait()
	}
	return d.ctx
}

// watch has cut called, on another goroutine, when the device leaves or the proxy
// ends. The watched, which stop ends, are one at a time: false when there is one.
func (d *presence) watch(cut func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut != nil || d.due {
		return false
	}
	d.cut = cut
	d.wait()
	return true
}

// unwatch ends what watch began. It reports whether cut was not called.
func (d *presence) unwatch() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	uncut := d.uncut
	d.cut, d.uncut = nil, nil
	return uncut == nil || uncut()
}

// wait has the device looked for when it is time.
func (d *presence) wait() {
	if d.waits || d.over {
		return
	}
	d.waits = true
	d.s.waiting.Store(d)
	if d.s.timer == nil {
		d.s.timer = time.AfterFunc(lookAfter, d.s.lookForDevice)
	} else {
		d.s.timer.Reset(lookAfter)
	}
}

// lookForDevice is called when it is time to look.
func (s *h1Session) lookForDevice() {
	d := s.waiting.Load()
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || d.due {
		return
	}
	d.due = true
	ctx := d.need()
	if d.cut != nil {
		d.uncut = context.AfterFunc(ctx, d.cut)
	}
	d.look()
}

// look begins to look, when that is wanted and can be done.
func (d *presence) look() {
	if !d.due || !d.whole || d.over || d.looks != nil {
		return
	}
	done, enough, cancel, br := make(chan struct{}), make(chan struct{}), d.cancel, d.s.br
	d.looks, d.enough = done, enough
	go func() {
		defer close(done)
		_, err := br.Peek(1)
		if err == io.EOF {
			late := time.NewTimer(leaveTime)
			defer late.Stop()
			select {
			case <-late.C:
			case <-enough:
				return
			}
		}
		if err != nil && !isTimeout(err) {
			cancel()
		}
	}()
}

// stop ends the looking for good.
func (d *presence) stop() {
	d.mu.Lock()
	looks := d.looks
	d.over, d.looks = true, nil
	if d.waits {
		d.s.timer.Stop()
		d.s.waiting.Store(nil)
	}
	d.mu.Unlock()
	if looks != nil {
		close(d.enough)
		d.s.nc.SetReadDeadline(time.Unix(1, 0))
		<-looks
		d.s.nc.SetReadDeadline(time.Time{})
	}
}

// Done begins to look for the device.
func (d *presence) Done() <-chan struct{} { return d.get().Done() }

// Err begins to look for the device.
func (d *presence) Err() error { return d.get().Err() }

// Deadline returns that of the proxy, which has none.
func (d *presence) Deadline() (time.Time, bool) { return d.s.ctx.Deadline() }

// Value returns that of the context that ends, which contexts that are made
// from this one look for.
func (d *presence) Value(key any) any {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	if ctx == nil {
		ctx = d.s.ctx
	}
	return ctx.Value(key)
}

var _ context.Context = (*presence)(nil)
