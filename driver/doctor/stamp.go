package doctor

import "time"

// Stamp is the time that a TLS handshake may have: the first four bytes of the random
// value in the ClientHello, which many stacks of small devices fill with it (RFC 5246
// section 7.4.1.2), and others with random bytes.
type Stamp struct {
	Theirs uint32    // seconds since 1970
	Ours   time.Time // when the handshake came
}

// stampSlack is by how many seconds the difference of two stamps may differ from the time
// that has passed here. For random values the chance of that is one in a thousand
// million.
const stampSlack = 2

// minPassed is the time that has to pass between two stamps that are compared: some stacks
// send the same value again.
const minPassed = 2 * time.Second

// ClockOf returns how far the clock of a device is ahead of ours by the stamps of its
// handshakes, and whether they tell.
func ClockOf(stamps []Stamp) (ahead time.Duration, ok bool) {
	for i, a := range stamps {
		for _, b := range stamps[i+1:] {
			passed := b.Ours.Sub(a.Ours)
			if passed < minPassed {
				continue
			}
			if off := int64(b.Theirs) - int64(a.Theirs) - int64(passed/time.Second); -stampSlack <= off && off <= stampSlack {
				return time.Unix(int64(b.Theirs), 0).Sub(b.Ours), true
			}
			break // one comparison for each is enough
		}
	}
	return 0, false
}
