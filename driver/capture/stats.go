package capture

// Stats tells how full a journal is.
type Stats struct {
	Entries  int    `json:"entries"`   // entries held
	Bytes    int64  `json:"bytes"`     // memory they take
	MaxBytes int64  `json:"max_bytes"` // memory they may take
	Total    uint64 `json:"total"`     // entries ever added
	First    uint64 `json:"first"`     // number of the oldest that is held
	// Dropped entries went for want of room, DroppedBytes is what they took.
	Dropped      uint64 `json:"dropped"`
	DroppedBytes int64  `json:"dropped_bytes"`
	SpoolFiles   int    `json:"spool_files"`     // bodies on disk
	SpoolBytes   int64  `json:"spool_bytes"`     // what they take there
	MaxSpool     int64  `json:"max_spool_bytes"` // what they may take there
	// SpoolDropped bodies went from disk for want of room while their entries
	// stayed.
	SpoolDropped uint64 `json:"spool_dropped"`
	// SpoolErrors counts bodies that could not be written; SpoolError is the
	// last reason.
	SpoolErrors uint64 `json:"spool_errors"`
	SpoolError  string `json:"spool_error,omitempty"`
}

// Stats tells how full the journal is.
func (j *Journal) Stats() Stats {
	var s Stats
	j.mu.Lock()
	s.Entries = int(j.last + 1 - j.oldest())
	s.Bytes, s.MaxBytes, s.Total = j.live, j.maxBytes, j.last
	s.First = j.oldest()
	s.Dropped, s.DroppedBytes = j.dropped, j.droppedBytes
	j.mu.Unlock()
	j.spool.stats(&s)
	return s
}
