package exchange

import (
	"strings"
	"testing"
)

func TestForm(t *testing.T) {
	t.Parallel()
	multi := "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\ndata\r\n--B--\r\n"
	for _, c := range []struct{ contentType, body, want string }{
		{"application/x-www-form-urlencoded", "a=1&b=x+y", "a=1&b=x+y"},
		{"application/x-www-form-urlencoded; charset=iso-8859-1", "a=\xe9", "a=%C3%A9"},
		{"application/x-www-form-urlencoded; charset=utf-16", "\xff\xfea\x00=\x001\x00", "a=1"},
		{"application/x-www-form-urlencoded", "\xef\xbb\xbfa=\x31", "a=1"},
		{"application/x-www-form-urlencoded", "a=\xe9", "a=%C3%A9"},
		{"application/x-www-form-urlencoded; charset=iso-8859-1", "%e9=gr%FC+%2B\xdf&p=5%", "p=5%25&%C3%A9=gr%C3%BC+%2B%C3%9F"},
		{"application/x-www-form-urlencoded; charset=Shift_JIS", "a=%83e%83%58%83g", "a=%E3%83%86%E3%82%B9%E3%83%88"},
		{"application/x-www-form-urlencoded; charset=windows-1252", "a=%80", "a=%E2%82%AC"},
		{"application/x-www-form-urlencoded; charset=utf-16le", "a\x00=\x00%\x004\x001\x00", "a=A"},
		{"application/x-www-form-urlencoded; charset=utf-8", "a=%C3%A9", "a=%C3%A9"},
		{"multipart/form-data; boundary=B", multi, "a=1"},
		{"multipart/form-data; boundary=B", strings.Replace(multi, "\r\n\r\n1", "\r\nContent-Type: text/plain; charset=shift_jis\r\n\r\n\x82\xa0", 1), "a=%E3%81%82"},
		{"multipart/form-data", multi, ""},
		{"multipart/form-data; boundary=B", multi[:40], ""},
	} {
		if got := ParseForm(c.contentType, []byte(c.body)).Encode(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.contentType, got, c.want)
		}
	}
}
