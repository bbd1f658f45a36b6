package controller

import (
	"fmt"
	"time"

	"starproxy/driver/exporter"
)

// expirySoon is how long before its end a token is warned about.
const expirySoon = 7 * 24 * time.Hour

// tokenExpiry reads when a JSON Web Token ends, without verifying it: whether
// it is valid is for the controller to say.
func tokenExpiry(token string) (at time.Time, ok bool) {
	claims, err := exporter.ReadToken(token)
	return claims.Expires, err == nil && !claims.Expires.IsZero()
}

// warnToken says once that the token of c ends soon. It belongs to the goroutine
// that registers.
func (r *runner) warnToken(c *exporter.Config) {
	at, ok := tokenExpiry(c.Token)
	if left := time.Until(at); ok && left < expirySoon && !at.Equal(r.warned) {
		r.warned = at
		r.log.Warn(fmt.Sprintf("the token of exporter %s expires at %s", identity(c), at.Format(time.RFC3339)), "in", left.Round(time.Second))
	}
}
