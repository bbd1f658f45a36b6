package call

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"starproxy/builtins/jsonvalue"
)

// Latency is the time that an answer waits: Fixed plus Draw. The zero value means
// no wait.
type Latency struct {
	// Fixed is the same for each answer.
	Fixed time.Duration
	// Draw returns a random time. Nil means none.
	Draw func() time.Duration
}

// MaxLatency is the longest latency.
const MaxLatency = 24 * time.Hour

// KeyError reports a wrong or missing value of a key in a map.
type KeyError struct{ Key, Got, Want string }

func (e *KeyError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("%s is missing: want %s", e.Key, e.Want)
	}
	return fmt.Sprintf("%s: got %s, want %s", e.Key, e.Got, e.Want)
}

// Milliseconds converts ms milliseconds to a duration. It reports false if that is
// negative or longer than [MaxLatency].
func Milliseconds(ms float64) (time.Duration, bool) {
	if !(ms >= 0 && ms <= float64(MaxLatency/time.Millisecond)) {
		return 0, false
	}
	return time.Duration(math.Round(ms * float64(time.Millisecond))), true
}

// distribution is a way to draw a random latency.
type distribution struct {
	name string
	// keys are its keys in the map besides "distribution", "min" and "max".
	keys []string
	// bounded says that the map must have "max".
	bounded bool
	// draw returns milliseconds. p has the values of the map.
	draw func(r *Random, p map[string]float64) float64
}

func distributions() []distribution {
	return []distribution{
		{"uniform", nil, true, func(r *Random, p map[string]float64) float64 {
			return p["min"] + r.Float64()*(p["max"]-p["min"])
		}},
		{"normal", []string{"mean", "stddev"}, false, func(r *Random, p map[string]float64) float64 {
			return p["mean"] + r.NormFloat64()*p["stddev"]
		}},
		{"lognormal", []string{"median", "sigma"}, false, func(r *Random, p map[string]float64) float64 {
			return p["median"] * math.Exp(r.NormFloat64()*p["sigma"])
		}},
	}
}

// Distributions lists the names that NewLatency knows.
func Distributions() []string {
	var names []string
	for _, d := range distributions() {
		names = append(names, d.name)
	}
	return names
}

// NewLatency reads a latency from a map. {min, max} is a uniform distribution in
// milliseconds. {distribution: normal, mean, stddev} and {distribution: lognormal,
// median, sigma} may have min and max as bounds. Random numbers come from r. Errors
// are of type *KeyError.
func NewLatency(spec jsonvalue.Object, r *Random) (Latency, error) {
	d, err := distributionOf(spec)
	if err != nil {
		return Latency{}, err
	}
	known := append([]string{"distribution", "min", "max"}, d.keys...)
	for _, m := range spec {
		if !slices.Contains(known, m.Key) {
			return Latency{}, &KeyError{m.Key, "an unknown key", strings.Join(known, ", ")}
		}
	}
	const most = "milliseconds, from 0 to 86400000 (a day)"
	p := map[string]float64{"min": 0, "max": float64(MaxLatency / time.Millisecond)}
	for _, key := range known[1:] {
		v, given := spec.Get(key)
		switch {
		case given && v != nil:
		case key == "min" || key == "max" && !d.bounded:
			continue
		default:
			return Latency{}, &KeyError{Key: key, Want: "a number"}
		}
		n, ok := float(v)
		want := most
		if key == "sigma" {
			want, ok = "a number from 0 to 10", ok && n >= 0 && n <= 10
		} else if ok {
			_, ok = Milliseconds(n)
		}
		if !ok {
			return Latency{}, &KeyError{key, jsonvalue.Short(v, 40), want}
		}
		p[key] = n
	}
	if p["max"] < p["min"] {
		v, _ := spec.Get("max")
		return Latency{}, &KeyError{"max", jsonvalue.Short(v, 40), "min or more"}
	}
	return Latency{Draw: func() time.Duration {
		ms := min(max(d.draw(r, p), p["min"]), p["max"])
		return time.Duration(math.Round(ms * float64(time.Millisecond)))
	}}, nil
}

// distributionOf returns the distribution that a map names. The default is uniform.
func distributionOf(spec jsonvalue.Object) (distribution, error) {
	name, _ := spec.Get("distribution")
	if name == nil {
		name = "uniform"
	}
	for _, d := range distributions() {
		if d.name == name {
			return d, nil
		}
	}
	return distribution{}, &KeyError{"distribution", jsonvalue.Short(name, 40), strings.Join(Distributions(), ", ")}
}

// float converts a JSON number. It reports false if v is not a number.
func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	return 0, false
}
