package capture

import "sync"

// Hold lets bodies be kept for a recording from here on, until release is
// called. The budget of the spool does not end a held body, and its file does
// not go, until [Journal.Unhold]: only the disk sets a bound. It is for the time
// between the first byte of a body and the moment when the recording has a copy.
func (j *Journal) Hold() (release func()) {
	j.spool.holding.Add(1)
	return sync.OnceFunc(func() { j.spool.holding.Add(-1) })
}

// Unhold tells that the bodies of e are recorded, or that they will not be. The
// oldest files go if the spool is over its budget.
func (j *Journal) Unhold(e *Entry) {
	if e.RequestBody.Spooled || e.ResponseBody.Spooled {
		j.spool.unhold(e.RequestBody.Path, e.ResponseBody.Path)
	}
}
