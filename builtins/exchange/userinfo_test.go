package exchange

import "testing"

func TestHideUser(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{"https://h.example/@scope/pkg?to=a@b", "https://h.example/@scope/pkg?to=a@b"},
		{"https://u:p@h.example/x", "https://…@h.example/x"},
		{"https://u:p@h.example/x?to=a@b", "https://…@h.example/x?to=a@b"},
		{"https://u:p@h.example/@scope?to=a@b", "https://…@h.example/@scope?to=a@b"},
		{"GET http://u:p@h.example/?to=a@b HTTP/1.1", "GET http://…@h.example/?to=a@b HTTP/1.1"},
		{"GET http://u:p/w@h.example/ HTTP/1.1", "GET http://…@h.example/ HTTP/1.1"},
		{"GET http://u:p@q@h.example/ HTTP/1.1", "GET http://…@h.example/ HTTP/1.1"},
		{"CONNECT u:p@h.example:443 HTTP/1.1", "CONNECT …@h.example:443 HTTP/1.1"},
		{"u:p@h.example:443", "…@h.example:443"},
		{"GET /plain HTTP/1.1", "GET /plain HTTP/1.1"},
		{"", ""},
	} {
		if got := HideUser(test.in); got != test.want {
			t.Errorf("HideUser(%q): got %q, want %q", test.in, got, test.want)
		}
	}
}
