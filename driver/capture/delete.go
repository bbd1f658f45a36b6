package capture

import "iter"

// Delete hides the entries with these numbers from all readers, and returns how many it
// hid. Their bytes stay until they leave the journal as the oldest or with Clear: until
// then Restore brings them back.
func (j *Journal) Delete(seqs iter.Seq[uint64]) int {
	return j.hide(seqs, func(seq uint64) bool {
		if _, gone := j.hidden[seq]; gone {
			return false
		}
		if j.hidden == nil {
			j.hidden = map[uint64]struct{}{}
		}
		j.hidden[seq] = struct{}{}
		return true
	})
}

// Restore shows entries again that Delete has hidden, and returns how many there were.
func (j *Journal) Restore(seqs iter.Seq[uint64]) int {
	return j.hide(seqs, func(seq uint64) bool {
		_, gone := j.hidden[seq]
		delete(j.hidden, seq)
		return gone
	})
}

// hide calls change for the numbers of entries that the journal holds, and counts those for
// which it returns true.
func (j *Journal) hide(seqs iter.Seq[uint64], change func(seq uint64) bool) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for seq := range seqs {
		if seq >= j.oldest() && seq <= j.last && change(seq) {
			n++
		}
	}
	if n > 0 {
		j.changed.Notify()
	}
	return n
}

// isHidden reports whether an entry was deleted. The lock is held.
func (j *Journal) isHidden(seq uint64) bool {
	_, gone := j.hidden[seq]
	return gone
}
