package contract

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// number returns a number within the bounds of a shape.
func (g *generator) number(sh *shape) any {
	low, high := math.Inf(-1), math.Inf(1)
	step := sh.float("multipleOf", 0)
	whole := sh.kind() == "integer"
	if whole && (step == 0 || step != math.Trunc(step)) {
		step = 1
	}
	unit := step
	if unit == 0 {
		unit = 0.5
	}
	low = max(low, sh.float("minimum", low), sh.float("exclusiveMinimum", low))
	high = min(high, sh.float("maximum", high), sh.float("exclusiveMaximum", high))
	if !math.IsInf(low, 0) && !math.IsInf(high, 0) && step == 0 {
		unit = min(unit, (high-low)/4)
	}
	if sh.exclusive("exclusiveMinimum", low) {
		low += unit
	}
	if sh.exclusive("exclusiveMaximum", high) {
		high -= unit
	}
	switch {
	case math.IsInf(low, -1) && math.IsInf(high, 1):
		low, high = 1, 1000
	case math.IsInf(low, -1):
		low = high - 100
	case math.IsInf(high, 1):
		high = low + 100
	}
	v := low
	if unit > 0 {
		first := math.Ceil(low/unit) * unit
		steps := min(math.Floor((high-first)/unit), 1e6)
		if v = first; steps > 0 {
			v += unit * float64(g.rand.IntN(int(steps)+1))
		}
	}
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return int64(v)
	}
	return json.Number(strconv.FormatFloat(v, 'f', -1, 64))
}

// exclusive reports whether a bound is an exclusive one: by its value, or by true beside
// the bound, as in OpenAPI 3.0.
func (sh *shape) exclusive(key string, bound float64) bool {
	return sh.keys[key].value == true || sh.float(key, math.NaN()) == bound
}

// float returns a keyword that is a number, or another one.
func (sh *shape) float(key string, or float64) float64 {
	switch n := sh.keys[key].value.(type) {
	case int64:
		return float64(n)
	case json.Number:
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	return or
}

// text returns a text of the format, pattern and length of a shape.
func (g *generator) text(sh *shape) any {
	low, high := sh.whole("minLength", 0), sh.whole("maxLength", 1<<20)
	if pattern, ok := sh.keys["pattern"].value.(string); ok {
		if re, err := syntax.Parse(pattern, syntax.Perl); err == nil {
			for extra := range 4 {
				var b strings.Builder
				g.write(&b, re.Simplify(), extra*low)
				if n := utf8.RuneCountInString(b.String()); n >= low && n <= high {
					return b.String()
				}
			}
		}
	}
	format, _ := sh.keys["format"].value.(string)
	if text := g.formatted(format); text != "" {
		return text
	}
	words := []string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"}
	text := words[g.rand.IntN(len(words))]
	for len(text) < low {
		text += " " + words[g.rand.IntN(len(words))]
	}
	return text[:min(len(text), max(low, min(high, len(text))), high)]
}

// formatted returns a text of a format; "" for one that is not known.
func (g *generator) formatted(format string) string {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(g.rand.IntN(365*24*3600)) * time.Second)
	n := g.rand.IntN(250) + 1
	switch format {
	case "date-time":
		return at.Format(time.RFC3339)
	case "date":
		return at.Format(time.DateOnly)
	case "time":
		return at.Format("15:04:05Z")
	case "duration":
		return fmt.Sprintf("PT%dS", n)
	case "uuid":
		return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", g.rand.Uint32(), n, n, n, g.rand.Uint64()&0xffffffffffff)
	case "email", "idn-email":
		return fmt.Sprintf("user%d@example.com", n)
	case "hostname", "idn-hostname":
		return fmt.Sprintf("host%d.example.com", n)
	case "ipv4":
		return fmt.Sprintf("192.0.2.%d", n)
	case "ipv6":
		return fmt.Sprintf("2001:db8::%x", n)
	case "uri", "url", "iri":
		return fmt.Sprintf("https://example.com/%d", n)
	case "uri-reference", "iri-reference":
		return fmt.Sprintf("/%d", n)
	case "json-pointer":
		return "/" + strconv.Itoa(n)
	case "regex":
		return "^[a-z]+$"
	case "byte":
		return "c3RhcnByb3h5"
	}
	return ""
}

// maxText bounds the texts that are made of patterns, in bytes.
const maxText = 10_000

// maxRepeat bounds how often a part of a pattern is repeated.
const maxRepeat = 200

// write writes a text that fits a pattern. more is how often parts are repeated that
// may come any number of times, beyond what is needed.
func (g *generator) write(b *strings.Builder, re *syntax.Regexp, more int) {
	if b.Len() > maxText {
		return
	}
	times := func(low, high int) {
		if high < 0 {
			high = maxRepeat
		}
		for range min(max(low, min(low+more, high)), maxRepeat) {
			g.write(b, re.Sub[0], more)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			pair := 2 * g.rand.IntN(len(re.Rune)/2)
			low, high := re.Rune[pair], re.Rune[pair+1]
			b.WriteRune(low + rune(g.rand.IntN(min(int(high-low)+1, 1000))))
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('a')
	case syntax.OpStar:
		times(0, -1)
	case syntax.OpPlus:
		times(1, -1)
	case syntax.OpQuest:
		times(0, 1)
	case syntax.OpRepeat:
		times(re.Min, re.Max)
	case syntax.OpAlternate:
		g.write(b, re.Sub[g.rand.IntN(len(re.Sub))], more)
	case syntax.OpConcat, syntax.OpCapture:
		for _, sub := range re.Sub {
			g.write(b, sub, more)
		}
	}
}
