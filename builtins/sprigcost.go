package builtins

import (
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/call"
	"starproxy/builtins/value"

	"go.starlark.net/starlark"
)

// cost is the cost of a sprig function, where that is more than in proportion to its
// arguments. size and steps get the arguments of the call.
type cost struct {
	// size returns an upper bound of the result, in bytes. Nil means that the
	// result is not larger than the arguments.
	size func(a []starlark.Value) int
	// steps returns the steps to charge. Nil means in proportion to the arguments.
	steps func(a []starlark.Value) int
	// slow says that the function runs on another goroutine.
	slow bool
	// counts says that a number among the arguments is a number of things to make.
	counts bool
	// pattern says that the first argument is a regular expression, matched
	// against the second.
	pattern bool
}

// partSize is the memory of one text in a list, in bytes, and mapSize that of a map
// with one entry. Both include the Go value and the Starlark value.
const (
	partSize = 96
	mapSize  = 800
)

// The approximate steps of slow functions. A bcrypt or scrypt hash takes some 100
// ms, a key of 2048 bits up to a second.
const (
	hashSteps = 1_000_000
	keySteps  = 3_000_000
)

func fixed(steps int) func([]starlark.Value) int {
	return func([]starlark.Value) int { return steps }
}

// costs has the sprig functions that take more time or memory than in proportion to
// their arguments. A function whose name begins with "must" costs the same as the
// one without it.
var costs = map[string]cost{
	"repeat":       {counts: true, size: func(a []starlark.Value) int { return call.Times(number(a[0]), length(a[1])) }},
	"indent":       {counts: true, size: sprigIndented},
	"nindent":      {counts: true, size: sprigIndented},
	"until":        {counts: true, size: fixed(partSize), steps: func(a []starlark.Value) int { return abs(number(a[0])) }},
	"untilStep":    {counts: true, steps: func(a []starlark.Value) int { return abs(number(a[0])) + abs(number(a[1])) }},
	"seq":          {counts: true, steps: func(a []starlark.Value) int { return 2 * maxSprigCount / 4 * min(len(a), 1) }},
	"randAlphaNum": {counts: true}, "randAlpha": {counts: true}, "randAscii": {counts: true},
	"randNumeric": {counts: true}, "randBytes": {counts: true},

	"replace":  {size: func(a []starlark.Value) int { return replaced(words(a[2]), words(a[0]), words(a[1])) }},
	"join":     {size: func(a []starlark.Value) int { return call.Times(length(a[0]), starlark.Len(a[1])) }},
	"wrapWith": {size: func(a []starlark.Value) int { return call.Times(length(a[1]), length(a[2])/max(number(a[0]), 1)) }},
	"split":    {size: func(a []starlark.Value) int { return call.Times(mapSize/4, pieces(words(a[1]), words(a[0]))) }},
	"splitList": {size: func(a []starlark.Value) int {
		return call.Times(partSize, pieces(words(a[1]), words(a[0])))
	}},
	"splitn":  {size: func(a []starlark.Value) int { return call.Times(mapSize/4, pieces(words(a[2]), words(a[0]))) }},
	"trimAll": {steps: func(a []starlark.Value) int { return trimmed(words(a[1]), words(a[0])) }},
	"chunk":   {size: func(a []starlark.Value) int { return call.Times(partSize, starlark.Len(a[1])) }},

	"uniq":    {steps: func(a []starlark.Value) int { return call.Times(starlark.Len(a[0]), starlark.Len(a[0])) / 4 }},
	"without": {steps: func(a []starlark.Value) int { return call.Times(starlark.Len(a[0]), len(a)) / 4 }},
	"sortAlpha": {steps: func(a []starlark.Value) int {
		n := starlark.Len(a[0])
		return call.Times(n, bits.Len(uint(max(n, 0)))) / 8
	}},

	"regexMatch":             {pattern: true},
	"regexFind":              {pattern: true},
	"regexFindAll":           {pattern: true, size: func(a []starlark.Value) int { return call.Times(partSize, length(a[1])) }},
	"regexSplit":             {pattern: true, size: func(a []starlark.Value) int { return call.Times(partSize, length(a[1])) }},
	"regexReplaceAll":        {pattern: true, size: sprigExpanded},
	"regexReplaceAllLiteral": {pattern: true, size: func(a []starlark.Value) int { return call.Times(length(a[1])+1, length(a[2])+1) }},

	"fromJson":     {size: func(a []starlark.Value) int { return jsonWeight(words(a[0])) }},
	"toPrettyJson": {size: func(a []starlark.Value) int { return prettySize(a[0]) }},

	"bcrypt":                   {slow: true, steps: fixed(hashSteps)},
	"htpasswd":                 {slow: true, steps: fixed(hashSteps)},
	"derivePassword":           {slow: true, steps: fixed(hashSteps)},
	"genPrivateKey":            {slow: true, steps: fixed(keySteps)},
	"genCA":                    {slow: true, steps: fixed(keySteps)},
	"genCAWithKey":             {slow: true, steps: fixed(hashSteps)},
	"genSelfSignedCert":        {slow: true, steps: fixed(keySteps)},
	"genSelfSignedCertWithKey": {slow: true, steps: fixed(hashSteps)},
	"genSignedCert":            {slow: true, steps: fixed(keySteps)},
	"genSignedCertWithKey":     {slow: true, steps: fixed(hashSteps)},
	"buildCustomCert":          {slow: true, steps: fixed(hashSteps / 10)},
}

// shortText has the functions that read a short text, such as a version or a date.
// Their time is not in proportion to the length of that text.
var shortText = map[string]bool{
	"semver": true, "semverCompare": true, "date": true, "dateInZone": true, "date_in_zone": true, "dateModify": true,
	"date_modify": true, "toDate": true, "duration": true, "durationRound": true, "htmlDate": true, "htmlDateInZone": true,
	"urlParse": true, "bcrypt": true, "htpasswd": true, "derivePassword": true,
	"genPrivateKey": true, "genCA": true, "genCAWithKey": true, "genSelfSignedCert": true, "genSelfSignedCertWithKey": true,
	"genSignedCert": true, "genSignedCertWithKey": true,
}

// maxShortText is the largest size of the arguments of these functions, in bytes.
const maxShortText = 64 << 10

// sprigBase returns the name of a function without "must": first for mustFirst.
func sprigBase(name string) string {
	if rest, ok := strings.CutPrefix(name, "must"); ok && rest != "" {
		rest = strings.TrimPrefix(rest, "_")
		return strings.ToLower(rest[:1]) + rest[1:]
	}
	return name
}

// afford charges for a call of the sprig function name. It returns an error if the
// call would take too much memory or time. long says that the function should run
// on another goroutine.
func afford(c *call.Call, name string, given []starlark.Value) (long bool, err error) {
	size, err := c.Measured("sprig."+name, given)
	if err != nil {
		return false, err
	}
	base := sprigBase(name)
	row := costs[base]
	if shortText[base] && size > maxShortText {
		return false, fmt.Errorf("sprig.%s: arguments of %d bytes are more than %d", name, size, maxShortText)
	}
	if row.counts {
		for _, v := range given {
			if n, ok := call.Integer(v); ok && (n > maxSprigCount || n < -maxSprigCount) {
				return false, fmt.Errorf("sprig.%s: %d is more than %d", name, n, maxSprigCount)
			}
		}
	}
	if row.size != nil {
		if err := c.Enough("sprig."+name, row.size(given)); err != nil {
			return false, err
		}
	}
	if row.pattern {
		re, err := compiled(c, "sprig."+name, words(given[0]))
		if err != nil {
			return false, err
		}
		return matching(c, "sprig."+name, re, length(given[1]))
	}
	if row.steps != nil {
		err = c.Charge(row.steps(given))
	}
	return row.slow, err
}

func abs(n int) int { return max(n, -n) }

// pieces returns an upper bound of the number of parts of s between separators.
func pieces(s, sep string) int {
	if sep == "" {
		return len(s)
	}
	return strings.Count(s, sep) + 1
}

// trimmed returns the steps of removing the characters of cutset from the ends of s.
func trimmed(s, cutset string) int {
	for i := range len(cutset) {
		if cutset[i] >= utf8.RuneSelf {
			return call.Times(len(s), len(cutset)) / 64
		}
	}
	return 0
}

// sprigExpanded returns an upper bound of the result of regexReplaceAll. Each group
// in the replacement may be as long as the whole match.
func sprigExpanded(a []starlark.Value) int {
	repl := words(a[2])
	return call.Times(length(a[1])+1, len(repl)+1) + call.Times(length(a[1]), strings.Count(repl, "$"))
}

// jsonWeight returns the approximate memory of a JSON text's value, as Go value and
// Starlark value together. Brackets in strings are counted as well.
func jsonWeight(s string) int {
	return 2*len(s) + mapSize*strings.Count(s, "{") + partSize*(strings.Count(s, "[")+strings.Count(s, ","))
}

// prettySize returns an upper bound of the length of a value as indented JSON.
func prettySize(v starlark.Value) int {
	b, err := value.AppendJSON(nil, nil, v)
	if err != nil {
		return 0 // the function returns the error
	}
	return laidOut(b, 0, 2)
}
