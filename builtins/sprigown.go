package builtins

import (
	"encoding/base64"
	"fmt"
	"maps"
	"strings"
	"time"

	"starproxy/builtins/call"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// goTime returns the Go value of a time.
func goTime(v starlark.Value) (time.Time, bool) {
	t, ok := v.(startime.Time)
	return time.Time(t), ok
}

// sprigFunc is a function that replaces one of sprig's. Sprig's own reads the random source
// or the time of the machine, or loses a part of its arguments.
type sprigFunc struct {
	params string
	call   func(*call.Call, call.Args) (starlark.Value, error)
}

const (
	digits  = "0123456789"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// sprigOwn returns all functions that replace one of sprig's.
func sprigOwn() map[string]sprigFunc {
	own := map[string]sprigFunc{
		"uuidv4":       {"", callUUID},
		"randInt":      {"a, b", sprigRandInt},
		"randAlphaNum": {"a", sprigRandText(letters + digits)},
		"randAlpha":    {"a", sprigRandText(letters)},
		"randNumeric":  {"a", sprigRandText(digits)},
		"randAscii":    {"a", sprigRandText(ascii())},
		"randBytes":    {"a", sprigRandBytes},
		"shuffle":      {"a", sprigShuffle},
	}
	for _, more := range []map[string]sprigFunc{sprigTimes(), sprigNumbers(), sprigDicts(), sprigJSON(), sprigSecrets()} {
		maps.Copy(own, more)
	}
	return own
}

// bounded returns the function with the limits that hold for all functions of sprig.
func (f sprigFunc) bounded(name string) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		given := a.Given()
		if a.Probing() || len(given) == 0 || len(given) < strings.Count(f.params, ",") {
			return f.call(c, a)
		}
		long, err := afford(c, name, given)
		if err != nil {
			return nil, err
		}
		// Variables of their own: when the script is ended first, the function still
		// sets them.
		var made starlark.Value
		var failed error
		if err := c.Aside(long, "sprig."+name, func() { made, failed = f.call(c, a) }); err != nil {
			return nil, err
		}
		return made, failed
	}
}

// ascii returns all printable ASCII characters.
func ascii() string {
	var b []byte
	for c := byte(' '); c <= '~'; c++ {
		b = append(b, c)
	}
	return string(b)
}

func sprigRandInt(c *call.Call, a call.Args) (starlark.Value, error) {
	var x, y starlark.Value
	if err := a.Unpack("a", &x, "b", &y); err != nil {
		return nil, err
	}
	lo, hi, err := span(a.Func, x, y)
	if err != nil {
		return nil, err
	}
	if hi.Cmp(lo) <= 0 {
		return nil, fmt.Errorf("sprig.randInt: no numbers from %d up to %d", lo, hi)
	}
	return c.Env.Random.Between(lo, hi), nil
}

// sprigCount returns the count in the arguments, which must be within the limit.
func sprigCount(a call.Args) (int, error) {
	var n int
	if err := a.Unpack("a", &n); err != nil {
		return 0, err
	}
	if n < 0 || n > maxSprigCount {
		return 0, fmt.Errorf("%s: count is %d, want 0 to %d", a.Func, n, maxSprigCount)
	}
	return n, nil
}

func sprigRandText(alphabet string) func(*call.Call, call.Args) (starlark.Value, error) {
	return func(c *call.Call, a call.Args) (starlark.Value, error) {
		n, err := sprigCount(a)
		if err != nil {
			return nil, err
		}
		text := make([]byte, n)
		for i := range text {
			text[i] = alphabet[c.Env.Random.Int64N(int64(len(alphabet)))]
		}
		return starlark.String(text), nil
	}
}

func sprigRandBytes(c *call.Call, a call.Args) (starlark.Value, error) {
	n, err := sprigCount(a)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	c.Env.Random.Read(b)
	return starlark.String(base64.StdEncoding.EncodeToString(b)), nil
}

func sprigShuffle(c *call.Call, a call.Args) (starlark.Value, error) {
	var s string
	if err := a.Unpack("a", &s); err != nil {
		return nil, err
	}
	runes := []rune(s)
	for i := len(runes) - 1; i > 0; i-- {
		j := c.Env.Random.Int64N(int64(i) + 1)
		runes[i], runes[j] = runes[j], runes[i]
	}
	return starlark.String(string(runes)), nil
}
