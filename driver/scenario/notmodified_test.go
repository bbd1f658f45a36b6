package scenario

import "testing"

// A 304 says nothing of a body's type unless the document does.
func TestNotModifiedHasNoDefaultType(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		`{status: 304}`:                                  "",
		`{status: 304, body: {a: 1}}`:                    "",
		`{status: 304, content_type: text/x}`:            "text/x",
		`{status: 304, headers: {content-type: text/y}}`: "text/y",
		`{status: 204}`:                                  "application/json",
		`{status: 200, body: {a: 1}}`:                    "application/json",
		`{status: 304, headers: {ETag: '"1"'}, body_template: {a: "{{uuid}}"}}`: "",
	} {
		s, err := Parse("s.yaml", []byte("endpoints: {GET /a: "+doc+"}"), testEnv(t))
		if err != nil {
			t.Fatal(doc, err)
		}
		res, _ := ask(t, s, "GET /a")
		if got := res.Header.Get("Content-Type"); got != want {
			t.Errorf("%s: Content-Type: got %q, want %q", doc, got, want)
		}
	}
}
