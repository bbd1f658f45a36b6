// Package follow lets any number of readers wait for changes. A [Signal] announces
// that a value has changed. A [Log] is a bounded sequence that each reader follows
// with its own cursor.
package follow

// Signal announces changes of a value. It has no lock of its own: the lock that
// guards the value must be held while a method is called. The zero Signal is ready
// for use.
type Signal struct {
	changed chan struct{} // nil while nobody waits
	count   uint64
}

// Count returns the number of changes so far.
func (s *Signal) Count() uint64 { return s.count }

// Changed returns a channel that the next Notify closes.
//
// A reader takes the value and the channel under one lock, so that it misses no
// change between the two.
func (s *Signal) Changed() <-chan struct{} {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Notify wakes all readers that wait on a channel from Changed.
func (s *Signal) Notify() {
	s.count++
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
