package capture

import "os"

// Take returns the spool file for the next n bytes of the body, which the kernel then
// moves into it. The caller must call Took afterwards. Take returns nil when the budget is
// used up: the caller moves the bytes past the record then, or uses Write.
func (r *Recorder) Take(n int64) *os.File {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || r.cut {
		return nil
	}
	if r.out == nil && !r.spill() {
		return nil
	}
	r.flush()
	if r.cut {
		return nil
	}
	if need := r.written + n - r.reserved; need > 0 {
		got, err := r.j.spool.reserve(r.file, need, max(need, spoolStep))
		if err != nil {
			r.cut = true
			return nil
		}
		r.reserved += got
	}
	return r.out
}

// Took tells the record that n bytes of the body were moved, and that saved of them are in
// the file. An error ends the record.
func (r *Recorder) Took(n, saved int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size += n
	r.written += saved
	if saved < n {
		r.cut = true
	}
	if err != nil && r.out != nil {
		r.j.spool.fail(err)
		r.drop()
	}
}

// Limit returns the size up to which the body stays in memory, in bytes.
func (r *Recorder) Limit() int { return r.limit }
