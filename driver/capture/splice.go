package capture

import "os"

// Take is for bytes that the kernel moves without our seeing them: it gives the
// spool file, ready for the next n bytes of the body. Without a file (the
// budget is used up, or the body is small enough to stay in memory) the caller
// moves them past the record or uses Write. Took must follow.
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

// Took counts n bytes that were moved, saved of them into the file. An error
// ends the record.
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

// Limit is the size up to which the body stays in memory, in bytes.
func (r *Recorder) Limit() int { return r.limit }
