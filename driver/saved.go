package driver

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"starproxy/driver/export"
)

// savedBodies are the captured bodies that were exported with a scenario. They need
// not stay on disk.
type savedBodies struct {
	mu   sync.Mutex
	seqs map[uint64]bool // nil when nothing was exported since the last take
}

// add adds the bodies of an export.
func (s *savedBodies) add(x *export.Document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seqs == nil {
		s.seqs = map[uint64]bool{}
	}
	for _, seq := range x.Saved {
		s.seqs[seq] = true
	}
}

// take returns what was added since the last take. It reports whether there
// was an export, which may have had nothing.
func (s *savedBodies) take() (seqs map[uint64]bool, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seqs, s.seqs = s.seqs, nil
	return seqs, seqs != nil
}

// clean removes the bodies that were exported since the last call. When nothing was
// exported since, it removes all.
func (c *captures) clean(context.Context) (string, error) {
	if seqs, ok := c.saved.take(); ok {
		removed := c.journal.CleanResponses(maps.Keys(seqs))
		if !exists(c.spool) {
			return sayNoSpool, nil
		}
		return fmt.Sprintf(saySpoolCleaned, removed), nil
	}
	n, existed, err := c.journal.CleanSpool()
	if err != nil {
		return "", err
	}
	if !existed {
		return sayNoSpool, nil
	}
	return fmt.Sprintf(saySpoolCleaned, n), nil
}

func (c *captures) exportScenario(_ context.Context, filter string, excludeMocked, timed bool) (*export.Document, error) {
	x, err := export.Scenario(c.journal.Entries(nil), export.Options{
		FilesDir:      c.files,
		Filter:        filter,
		ExcludeMocked: excludeMocked,
		Timed:         timed,
	})
	if err != nil {
		return nil, err
	}
	c.saved.add(x)
	return x, nil
}
