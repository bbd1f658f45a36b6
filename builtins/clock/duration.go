package clock

import (
	"strconv"
	"strings"
	"time"
)

// MaxTurn is the longest duration by which a clock is turned at once: 290 years.
const MaxTurn = 290 * 365 * 24 * time.Hour

// ParseDuration reads a duration in the notation of Go, or a number of days such as 2d.
// The error is [strconv.ErrRange] for days beyond [MaxTurn].
func ParseDuration(text string) (time.Duration, error) {
	days, ok := strings.CutSuffix(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil {
		return 0, err
	}
	return Seconds(n * 24 * 3600)
}

// Seconds returns a number of seconds as a duration. The error is [strconv.ErrRange] for
// one beyond [MaxTurn].
func Seconds(n float64) (time.Duration, error) {
	if most := MaxTurn.Seconds(); !(-most <= n && n <= most) {
		return 0, strconv.ErrRange
	}
	return time.Duration(n * float64(time.Second)), nil
}
