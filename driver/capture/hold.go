package capture

import "sync"

// Hold makes the journal hold all new bodies for a recording, until release is called.
// A held body may exceed the budget of the spool, and its file is not removed before
// [Journal.Unhold]. So a body is there from its first byte until the recording has a
// copy of it.
func (j *Journal) Hold() (release func()) {
	j.spool.holding.Add(1)
	return sync.OnceFunc(func() { j.spool.holding.Add(-1) })
}

// Unhold ends the hold on the bodies of e. When the spool is over its budget then, its
// oldest files are removed.
func (j *Journal) Unhold(e *Entry) {
	if e.RequestBody.Spooled || e.ResponseBody.Spooled {
		j.spool.unhold(e.RequestBody.Path, e.ResponseBody.Path)
	}
}
