package capture

// Stats are figures of a journal.
type Stats struct {
	Entries  int    `json:"entries"`   // entries held
	Bytes    int64  `json:"bytes"`     // memory they take
	MaxBytes int64  `json:"max_bytes"` // memory they may take
	Total    uint64 `json:"total"`     // entries ever added
	First    uint64 `json:"first"`     // number of the oldest that is held
	// Dropped counts the entries that were dropped to keep the budget, DroppedBytes
	// their memory.
	Dropped      uint64 `json:"dropped"`
	DroppedBytes int64  `json:"dropped_bytes"`
	SpoolFiles   int    `json:"spool_files"`     // bodies on disk
	SpoolBytes   int64  `json:"spool_bytes"`     // what they take there
	MaxSpool     int64  `json:"max_spool_bytes"` // what they may take there
	// SpoolDropped counts the bodies that were removed from disk to keep the budget while
	// their entries stayed.
	SpoolDropped uint64 `json:"spool_dropped"`
	// SpoolErrors counts the bodies that could not be written. SpoolError is the last
	// reason.
	SpoolErrors uint64 `json:"spool_errors"`
	SpoolError  string `json:"spool_error,omitempty"`
}

// Stats returns the figures of the journal.
func (j *Journal) Stats() Stats {
	var s Stats
	j.mu.Lock()
	s.Entries = int(j.last+1-j.oldest()) - len(j.hidden)
	s.Bytes, s.MaxBytes, s.Total = j.live, j.maxBytes, j.last
	s.First = j.oldest()
	s.Dropped, s.DroppedBytes = j.dropped, j.droppedBytes
	j.mu.Unlock()
	j.spool.stats(&s)
	return s
}
