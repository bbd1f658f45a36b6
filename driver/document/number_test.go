package document

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestNumbers checks what numbers of any size and form are in a
func TestNumbers(t *testing.T) {
	t.Parallel()
	n := func(s string) any { return json.Number(s) }
	for text, want := range map[string]any{
		"7": int64(7), "0x1F": int64(31), "0777": int64(511), "1_0": int64(10), "+5": int64(5), "-0": n("-0"),
		"18446744073709551615": n("18446744073709551615"), "18446744073709551616": n("18446744073709551616"),
		"-9223372036854775809": n("-9223372036854775809"), "+18446744073709551616": n("18446744073709551616"),
		"18_446_744_073_709_551_616": n("18446744073709551616"), "1" + strings.Repeat("0", 400): n("1" + strings.Repeat("0", 400)),
		"0xFFFFFFFFFFFFFFFF": n("18446744073709551615"), "0xFFFFFFFFFFFFFFFFFF": n("4722366482869645213695"), "-0x1FFFFFFFFFFFFFFFFF": n("-590295810358705651711"),
		"0b1" + strings.Repeat("0", 70): n("1180591620717411303424"), "0o4000000000000000000000000": n("18889465931478580854784"),
		"1.50": n("1.50"), "1.": n("1.0"), "-.5": n("-0.5"), "+1.50": n("1.50"), "1_0.5_0": n("10.50"), "1.0e+3": n("1.0e+3"), "1.0e+400": n("1.0e+400"),
		"123456789012345678901234567890.5": n("123456789012345678901234567890.5"),
		"0x":                               "0x", "0b12": "0b12", "08": "08", "1e3": "1e3", "'0xFF'": "0xFF", "'18446744073709551616'": "18446744073709551616", "--0x1FFFFFFFFFFFFFFFFF": "--0x1FFFFFFFFFFFFFFFFF",
	} {
		var got any
		if err := Decode("a.yaml", []byte(text), &got); err != nil || got != want {
			t.Errorf("%s: got %#v, %v, want %#v", text, got, err, want)
		}
	}
	for _, text := range []string{"{size: 1.0e+400}", "{size: 18446744073709551616}", "{size: 0.5}", "{size: -1}"} {
		if err := Decode("a.yaml", []byte(text), &struct{ Size uint64 }{}); err == nil || !strings.Contains(err.Error(), "want a whole number from 0 to 18446744073709551615") {
			t.Errorf("%s: got %v", text, err)
		}
	}
	var s struct{ Seed uint64 }
	if err := Decode("a.yaml", []byte("{seed: 18446744073709551615}"), &s); err != nil || s.Seed != 18446744073709551615 {
		t.Errorf("got %d, %v", s.Seed, err)
	}
}
