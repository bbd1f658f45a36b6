package network

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"starproxy/builtins/excerpt"
)

// Rate is a number of bits in a second; 0 for no limit.
type Rate int64

// The units of rates. They are decimal, as those of networks are.
const (
	Kbit Rate = 1000
	Mbit      = 1000 * Kbit
	Gbit      = 1000 * Mbit
)

// The bounds of rates.
const (
	minRate = Kbit
	maxRate = 100 * Gbit
)

// ParseRate reads a rate such as 240kbit, 1.6Mbit/s or 50 Mbps; a number without a
// unit is in bits in a second. 0 and unlimited stand for no limit.
func ParseRate(text string) (Rate, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	if s == "unlimited" {
		return 0, nil
	}
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz/ ")
	unit := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(s[len(number):]), "/s"), "ps")
	by := map[string]Rate{"": 1, "b": 1, "bit": 1, "kb": Kbit, "kbit": Kbit, "mb": Mbit, "mbit": Mbit, "gb": Gbit, "gbit": Gbit}[unit]
	f, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || by == 0 || f < 0 || f*float64(by) > float64(maxRate) || f != f:
		return 0, fmt.Errorf("got %s, want a rate such as 240kbit or 1.6Mbit, at most 100Gbit", excerpt.Quote(text))
	case f == 0:
		return 0, nil
	case f*float64(by) < float64(minRate):
		return 0, fmt.Errorf("got %s, want at least 1kbit; the profile offline lets nothing pass", excerpt.Quote(text))
	}
	return Rate(f*float64(by) + 0.5), nil
}

// UnmarshalText accepts what [ParseRate] does.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}

// String returns the rate in the largest unit that makes a number from 1 on of it.
func (r Rate) String() string {
	unit, name := Rate(1), "bit"
	switch {
	case r >= Gbit:
		unit, name = Gbit, "Gbit"
	case r >= Mbit:
		unit, name = Mbit, "Mbit"
	case r >= Kbit:
		unit, name = Kbit, "kbit"
	}
	return strconv.FormatFloat(float64(r)/float64(unit), 'f', -1, 64) + name
}

// lasts returns how long n bytes take.
func (r Rate) lasts(n int) time.Duration {
	if r == 0 {
		return 0
	}
	return time.Duration(float64(n) * 8 / float64(r) * float64(time.Second))
}

// carries returns how many bytes pass in a time.
func (r Rate) carries(d time.Duration) int { return int(float64(r) / 8 * d.Seconds()) }
