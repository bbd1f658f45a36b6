package exchange

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestDecodeText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, contentType, data, want, charset string }{
		{"no type", "", "caf\xc3\xa9", "café", ""},
		{"no type, not UTF-8", "", "caf\xe9", "café", Latin1},
		{"no charset, not UTF-8", "application/json", "\"caf\xe9\"", `"café"`, Latin1},
		{"wrongly UTF-8", "text/plain; charset=utf-8", "caf\xe9", "café", Latin1},
		{"latin-1", "text/plain; charset=ISO-8859-1", "\xe9\x80", "é\u0080", "iso-8859-1"},
		{"latin-1 that is UTF-8", `text/plain;charset="latin1"`, "\xc3\xa9", "Ã©", "latin1"},
		{"windows-1252", "text/plain; charset=windows-1252", "\x80", "€", "windows-1252"},
		{"single quotes", "text/plain; charset='windows-1251'", "\xe4\xe0", "да", "windows-1251"},
		{"behind a wrong parameter", "text/plain; a; CharSet = shift_jis ; b", "\x82\xa0", "あ", "shift_jis"},
		{"euc-kr", "text/plain; charset=euc-kr", "\xb0\xa1", "가", "euc-kr"},
		{"gb18030", "text/plain; charset=gb18030", "\xc4\xe3", "你", "gb18030"},
		{"koi8-r", "text/plain; charset=koi8-r", "\xc4\xc1", "да", "koi8-r"},
		{"code page 850", "text/plain; charset=IBM850", "\x82", "é", "ibm850"},
		{"UTF-16 with a mark", "application/json; charset=utf-16", "\xff\xfe\xe9\x00", "é", "utf-16le"},
		{"UTF-16 with the other mark", "application/json; charset=utf-16", "\xfe\xff\x00\xe9", "é", "utf-16be"},
		{"UTF-16 as Python has it", "application/json; charset=utf-16", "\xe9\x00", "é", "utf-16le"},
		{"UTF-16 as RFC 2781 has it", "application/json; charset=utf-16", "\x00{\x00}", "{}", "utf-16be"},
		{"UTF-16BE", "text/plain; charset=utf-16be", "\x00h\x00i", "hi", "utf-16be"},
		{"UTF-16LE", "text/plain; charset=UTF-16LE", "h\x00i\x00", "hi", "utf-16le"},
		{"UTF-16BE with its mark", "text/plain; charset=utf-16be", "\xfe\xff\x00h", "h", "utf-16be"},
		{"pairs of surrogates", "text/plain; charset=utf-16le", "\x3d\xd8\x00\xde", "😀", "utf-16le"},
		{"UTF-32", "text/plain; charset=utf-32", "\xff\xfe\x00\x00h\x00\x00\x00", "h", "utf-32"},
		{"a mark of UTF-8", "application/json", "\xef\xbb\xbf{}", "{}", ""},
		{"a mark and its charset", "application/json; charset=utf-8", "\xef\xbb\xbf{}", "{}", ""},
		{"a mark of UTF-16", "text/plain", "\xff\xfeh\x00", "h", "utf-16le"},
		{"a mark of UTF-16BE", "", "\xfe\xff\x00h", "h", "utf-16be"},
		{"a mark of UTF-32", "", "\x00\x00\xfe\xff\x00\x00\x00h", "h", "utf-32"},
		{"a charset that nobody knows", "text/plain; charset=nonsense", "caf\xc3\xa9", "café", ""},
		{"ASCII that is UTF-8", "text/plain; charset=us-ascii", "caf\xc3\xa9", "café", ""},
		{"nothing", "text/plain; charset=utf-16", "", "", "utf-16le"},
	} {
		got, charset := DecodeText([]byte(c.data), c.contentType)
		if string(got) != c.want || charset != c.charset {
			t.Errorf("%s: got %q in %q, want %q in %q", c.name, got, charset, c.want, c.charset)
		}
	}
}

func TestEncodeText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, contentType, text, want string
		ok                            bool
	}{
		{"no charset", "text/plain", "é", "é", true},
		{"UTF-8", "text/plain; charset=utf-8", "é", "é", true},
		{"latin-1", "text/plain; charset=iso-8859-1", "é", "\xe9", true},
		{"latin-1 as browsers read it", "text/plain; charset=iso-8859-1", "€", "\x80", true},
		{"latin-1 can't", "text/plain; charset=iso-8859-1", "да", "да", false},
		{"UTF-16", "text/plain; charset=utf-16", "é", "\xff\xfe\xe9\x00", true},
		{"UTF-16BE", "text/plain; charset=utf-16be", "é", "\x00\xe9", true},
		{"JSON in latin-1", "application/json; charset=iso-8859-1", `{"é":"да 😀"}`, `{"\u00e9":"\u0434\u0430 \ud83d\ude00"}`, true},
		{"shift_jis", "text/html; charset=Shift_JIS", "あ", "\x82\xa0", true},
		{"nonsense", "text/html; charset=nonsense", "あ", "あ", true},
		{"nothing", "text/html; charset=utf-16", "", "", true},
	} {
		got, ok := EncodeText([]byte(c.text), c.contentType)
		if string(got) != c.want || ok != c.ok {
			t.Errorf("%s: got %q, %v; want %q, %v", c.name, got, ok, c.want, c.ok)
		}
		if back, _ := DecodeText(got, c.contentType); ok && !strings.Contains(c.name, "latin-1 ") && !json.Valid(back) && string(back) != c.text {
			t.Errorf("%s: read again: got %q, want %q", c.name, back, c.text)
		}
	}
	for in, want := range map[string]string{
		"text/html; charset=latin1":         "text/html; charset=utf-8",
		"text/html; charset=latin1; a=b":    "text/html; a=b; charset=utf-8",
		"text/html; charset=latin1; ; x; y": "text/html; charset=utf-8",
	} {
		if got := inUTF8(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzDecodeText(f *testing.F) {
	f.Add([]byte("\xff\xfeh\x00"), "text/plain; charset=utf-16")
	f.Add([]byte("\xe9"), "text/plain; charset=gb18030")
	f.Fuzz(func(t *testing.T, data []byte, contentType string) {
		text, charset := DecodeText(data, contentType)
		if charset == Latin1 && len([]rune(string(text))) != len(data) {
			t.Errorf("%q: got %d characters, want one for each byte", data, len([]rune(string(text))))
		}
	})
}
