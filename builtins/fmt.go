package builtins

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"starproxy/builtins/call"

	"go.starlark.net/starlark"
)

func fmtModule() Module {
	return Module{
		Doc: "Numbers as text.",
		Funcs: []Func{
			{
				"fmt", "format, *args",
				"Fills values into a format, as printf does: %d, %x, %X, %o and %b for whole numbers of any " +
					"size, %f, %e and %g for others, %s for everything, %% for a percent sign, with a width, a " +
					"precision and the flags 0, -, +, space, # and a comma, which groups thousands. A text that " +
					"is a number counts as a number, so that values of a request can be formatted.",
				"fmt(\"%05d\", 42)  # => \"00042\"\n" +
					"fmt(\"%.2f EUR\", 3.14159)  # => \"3.14 EUR\"\n" +
					"fmt(\"%,d\", 1234567)  # => \"1,234,567\"\n" +
					"fmt(\"%08X\", 48879)  # => \"0000BEEF\"\n" +
					`fmt("%03d", "7")  # => "007"`,
				callFmt,
			},
		},
	}
}

// maxWidth bounds the width and the precision of a value in a format.
const maxWidth = 1000

// directive is a % in a format, with its flags, width, precision and verb.
type directive struct {
	flags            string
	width, precision string // digits; precision with its point
	comma            bool
	verb             byte
}

// String returns the directive as it was written, for errors.
func (d directive) String() string {
	comma := ""
	if d.comma {
		comma = ","
	}
	return "%" + d.flags + comma + d.width + d.precision + string(d.verb)
}

// directiveAt reads the directive at the beginning of s and returns its length. s
// begins with the %.
func directiveAt(s string) (d directive, n int, err error) {
	n = 1
	for ; n < len(s) && strings.IndexByte("0-+ #,", s[n]) >= 0; n++ {
		if s[n] == ',' {
			d.comma = true
		} else {
			d.flags += s[n : n+1]
		}
	}
	digits := func() string {
		from := n
		for n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
		return s[from:n]
	}
	d.width = digits()
	if n < len(s) && s[n] == '.' {
		n++
		d.precision = "." + digits()
	}
	if n >= len(s) {
		return d, n, fmt.Errorf("fmt: %q ends the format; write %%%% for a percent sign", s)
	}
	d.verb = s[n]
	if strings.IndexByte("dxXobfeEgGs%", d.verb) < 0 {
		return d, n, fmt.Errorf("fmt: %q: want one of d, x, X, o, b, f, e, g, s and %% behind the %% and its width", s[:n+1])
	}
	for _, size := range []string{d.width, strings.TrimPrefix(d.precision, ".")} {
		if i, err := strconv.Atoi(size); size != "" && (err != nil || i > maxWidth) {
			return d, n, fmt.Errorf("fmt: %s: the width and the precision are at most %d", d, maxWidth)
		}
	}
	return d, n + 1, nil
}

func callFmt(c *call.Call, a call.Args) (starlark.Value, error) {
	var format string
	var args starlark.Tuple
	if err := a.Unpack("format", &format, "*args", &args); err != nil {
		return nil, err
	}
	if err := c.Fits("fmt", len(format), args...); err != nil {
		return nil, err
	}
	if err := c.Work(len(format)); err != nil {
		return nil, err
	}
	var b strings.Builder
	used := 0
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			break
		}
		b.WriteString(format[:i])
		format = format[i:]
		d, n, err := directiveAt(format)
		if err != nil {
			return nil, err
		}
		format = format[n:]
		if d.verb == '%' {
			b.WriteByte('%')
			continue
		}
		if used == len(args) {
			return nil, fmt.Errorf("fmt: %s has no value: the format wants more than %d", d, len(args))
		}
		text, err := d.fill(args[used])
		if err != nil {
			return nil, err
		}
		if used++; b.Len()+len(text) > c.Room() {
			return nil, c.Enough("fmt", b.Len()+len(text))
		}
		b.WriteString(text)
	}
	if used < len(args) {
		return nil, fmt.Errorf("fmt: %d values, but the format has room for %d", len(args), used)
	}
	b.WriteString(format)
	return starlark.String(b.String()), nil
}

// fill returns the text of a value in the form of the directive.
func (d directive) fill(v starlark.Value) (string, error) {
	var value any
	switch d.verb {
	case 's':
		s, ok := starlark.AsString(v)
		if !ok {
			s = v.String()
		}
		value = s
	case 'd', 'x', 'X', 'o', 'b':
		i, err := wholeNumber(v)
		if err != nil {
			return "", fmt.Errorf("fmt: %s: %w", d, err)
		}
		value = i
	default:
		f, err := decimalNumber(v)
		if err != nil {
			return "", fmt.Errorf("fmt: %s: %w", d, err)
		}
		value = f
	}
	if !d.comma {
		return fmt.Sprintf("%"+d.flags+d.width+d.precision+string(d.verb), value), nil
	}
	if d.verb != 'd' && d.verb != 'f' {
		return "", fmt.Errorf("fmt: %s: a comma goes with d and f", d)
	}
	// The commas count for the width, so the text is padded after they are added.
	text := grouped(fmt.Sprintf("%"+strings.Trim(d.flags, "0-")+d.precision+string(d.verb), value))
	width, _ := strconv.Atoi(d.width)
	if room := width - len(text); room > 0 {
		switch {
		case strings.Contains(d.flags, "-"):
			return text + strings.Repeat(" ", room), nil
		case strings.Contains(d.flags, "0"):
			sign := len(text) - len(strings.TrimLeft(text, "+- "))
			return text[:sign] + strings.Repeat("0", room) + text[sign:], nil
		}
		return strings.Repeat(" ", room) + text, nil
	}
	return text, nil
}

// grouped puts commas between the thousands of a decimal number.
func grouped(s string) string {
	start := len(s) - len(strings.TrimLeft(s, "+- "))
	end := start
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	var b strings.Builder
	b.WriteString(s[:start])
	for i := start; i < end; i++ {
		if i > start && (end-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(s[i])
	}
	b.WriteString(s[end:])
	return b.String()
}

// maxNumeral is the longest text that counts as a number, in bytes.
const maxNumeral = 400

// wholeNumber returns v, or the text in it, as a whole number.
func wholeNumber(v starlark.Value) (*big.Int, error) {
	switch v := v.(type) {
	case starlark.Int:
		return v.BigInt(), nil
	case starlark.Float:
		f := big.NewFloat(0)
		if float64(v) == float64(v) { // not NaN
			f = big.NewFloat(float64(v))
		}
		if i, exact := f.Int(nil); i != nil && exact == big.Exact && float64(v) == float64(v) {
			return i, nil
		}
	case starlark.String:
		if s := strings.TrimSpace(string(v)); len(s) <= maxNumeral {
			if i, ok := new(big.Int).SetString(s, 10); ok {
				return i, nil
			}
		}
	}
	return nil, fmt.Errorf("got %s, want a whole number", call.Describe(v))
}

// decimalNumber returns v, or the text in it, as a number that fmt can write:
// exact for whole numbers, whatever their size.
func decimalNumber(v starlark.Value) (any, error) {
	switch v := v.(type) {
	case starlark.Float:
		return float64(v), nil
	case starlark.Int:
		i := v.BigInt()
		return new(big.Float).SetPrec(uint(max(64, i.BitLen()))).SetInt(i), nil
	case starlark.String:
		s := strings.TrimSpace(string(v))
		if strings.Trim(s, "+-.0123456789eE") != "" || len(s) > maxNumeral {
			break
		}
		f, err := strconv.ParseFloat(s, 64)
		if errors.Is(err, strconv.ErrRange) {
			return nil, fmt.Errorf("got %s, want a number that is not so large", call.Describe(v))
		}
		if err == nil {
			return f, nil
		}
	}
	return nil, fmt.Errorf("got %s, want a number", call.Describe(v))
}
