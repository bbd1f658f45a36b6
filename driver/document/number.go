package document

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"starproxy/builtins/jsonvalue"
)

// number returns the value of a scalar tagged !!int or !!float: an int64 if that
// holds it exactly, else a json.Number. Forms that JSON does not have (0x1F, 1_000,
// +5, .5) are rewritten without a change of the value.
func number(n *yaml.Node) (any, error) {
	if json.Valid([]byte(n.Value)) && n.Value != "" {
		return jsonvalue.Number(n.Value), nil
	}
	s := strings.ReplaceAll(n.Value, "_", "")
	if i, ok := new(big.Int).SetString(s, 0); ok {
		return jsonvalue.Number(i.String()), nil
	}
	if i, ok := new(big.Int).SetString(s, 10); ok { // 08
		return jsonvalue.Number(i.String()), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(f) ||
		strings.ContainsAny(s, "xXpPiI") {
		return nil, Errorf(n, "got %q, want a number", n.Value)
	}
	sign := ""
	if s[0] == '-' {
		sign = "-"
	}
	s = strings.TrimLeft(s, "+-0")
	digits, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		digits, exponent = s[:i], s[i:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	return json.Number(sign + cmp.Or(whole, "0") + "." + cmp.Or(fraction, "0") + exponent), nil
}

// Truth returns the value of a scalar tagged !!bool.
func Truth(n *yaml.Node) bool {
	switch strings.ToLower(n.Value) {
	case "true", "yes", "on":
		return true
	}
	return false
}

// exact returns a number that has no fraction; 3.0 has none. ok is false for other
// numbers and for those of more than maxDigits digits.
func exact(n *yaml.Node) (*big.Int, bool) {
	const maxDigits = 40
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" {
		return nil, false
	}
	v, err := number(n)
	if err != nil {
		return nil, false
	}
	text := fmt.Sprint(v)
	if f, err := strconv.ParseFloat(text, 64); err != nil || len(text) > maxDigits || math.Abs(f) > 1e30 || f != 0 && math.Abs(f) < 1e-30 {
		return nil, false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || !r.IsInt() {
		return nil, false
	}
	return r.Num(), true
}

// Whole returns a number that has no fraction and fits an int64; 3.0 is one.
func Whole(n *yaml.Node) (int64, bool) {
	i, ok := exact(n)
	if !ok || !i.IsInt64() {
		return 0, false
	}
	return i.Int64(), true
}

func Float(n *yaml.Node) (float64, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" {
		return 0, false
	}
	v, err := number(n)
	if err != nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	return f, err == nil
}
