package controller

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"starproxy/driver/exporter"
)

// expirySoon is how long before its end a token is warned about.
const expirySoon = 7 * 24 * time.Hour

// tokenExpiry reads when a JSON Web Token ends, without verifying it: whether
// it is valid is for the controller to say.
func tokenExpiry(token string) (at time.Time, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Exp float64 `json:"exp"`
	}
	// Seconds that are out of range would overflow a time.
	if json.Unmarshal(payload, &claims) != nil || claims.Exp <= 0 || claims.Exp > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Exp), 0), true
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
