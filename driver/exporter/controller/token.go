package controller

import (
	"fmt"
	"time"

	"starproxy/driver/exporter"
)

// expirySoon is the time before the expiry of a token in which a warning is logged.
const expirySoon = 7 * 24 * time.Hour

// tokenExpiry returns the time at which a JSON Web Token expires. ok is false if
// the token does not say it. The token is not verified: the controller does that.
func tokenExpiry(token string) (at time.Time, ok bool) {
	claims, err := exporter.ReadToken(token)
	return claims.Expires, err == nil && !claims.Expires.IsZero()
}

// warnToken logs a warning, once for each expiry time, when the token of c expires
// soon. Only the goroutine that registers calls it.
func (r *runner) warnToken(c *exporter.Config) {
	at, ok := tokenExpiry(c.Token)
	if left := time.Until(at); ok && left < expirySoon && !at.Equal(r.warned) {
		r.warned = at
		r.log.Warn(fmt.Sprintf("the token of exporter %s expires at %s", identity(c), at.Format(time.RFC3339)), "in",
			left.Round(time.Second))
	}
}
