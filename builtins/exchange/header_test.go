package exchange

import (
	"fmt"
	"slices"
	"testing"
)

func lines() Header {
	return Header{{"Host", "a"}, {"X-one", "1"}, {"Accept", "*/*"}, {"x-One", "2"}, {"Empty", ""}, {"X-ONE", "3"}}
}

func TestHeaderGet(t *testing.T) {
	t.Parallel()
	h := lines()
	for name, want := range map[string][]string{
		"host": {"a"}, "HOST": {"a"}, "x-one": {"1", "2", "3"}, "Empty": {""}, "Hos": nil, "Hostt": nil, "": nil, "X_One": nil, "ho\u017ft": nil,
	} {
		first := ""
		if len(want) > 0 {
			first = want[0]
		}
		if got := h.Values(name); !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("Values(%q): got %q, want %q", name, got, want)
		}
		if got := h.Get(name); got != first {
			t.Errorf("Get(%q): got %q, want %q", name, got, first)
		}
		if got := h.Has(name); got != (want != nil) {
			t.Errorf("Has(%q): got %t", name, got)
		}
	}
	var none Header
	if none.Get("a") != "" || none.Has("a") || none.Values("a") != nil || none.HasToken("a", "b") || none.Clone() != nil {
		t.Error("a header without lines has some")
	}
}

func TestHeaderChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(h *Header)
		want   Header
	}{
		"set the only one": {func(h *Header) { h.Set("HOST", "b") }, Header{{"Host", "b"}, {"X-one", "1"}, {"Accept", "*/*"}, {"x-One", "2"}, {"Empty", ""}, {"X-ONE", "3"}}},
		"set several":      {func(h *Header) { h.Set("X-One", "9") }, Header{{"Host", "a"}, {"X-one", "9"}, {"Accept", "*/*"}, {"Empty", ""}}},
		"set a new one":    {func(h *Header) { h.Set("neW", "9") }, append(lines(), Field{"neW", "9"})},
		"set fewer":        {func(h *Header) { h.Set("X-One", "8", "9") }, Header{{"Host", "a"}, {"X-one", "8"}, {"Accept", "*/*"}, {"x-One", "9"}, {"Empty", ""}}},
		"set more":         {func(h *Header) { h.Set("HOST", "8", "9") }, append(Header{{"Host", "8"}}, append(lines()[1:], Field{"Host", "9"})...)},
		"set none":         {func(h *Header) { h.Set("host") }, lines()[1:]},
		"set many new":     {func(h *Header) { h.Set("neW", "1", "2") }, append(lines(), Field{"neW", "1"}, Field{"neW", "2"})},
		"respell":          {func(h *Header) { h.Respell("HOST") }, append(Header{{"HOST", "a"}}, lines()[1:]...)},
		"add":              {func(h *Header) { h.Add("host", "b") }, append(lines(), Field{"host", "b"})},
		"delete":           {func(h *Header) { h.Del("x-one") }, Header{{"Host", "a"}, {"Accept", "*/*"}, {"Empty", ""}}},
		"delete none":      {func(h *Header) { h.Del("x-on") }, lines()},
		"delete all": {func(h *Header) {
			for _, f := range lines() {
				h.Del(f.Name)
			}
		}, Header{}},
	} {
		h := lines()
		c.change(&h)
		if !slices.Equal(h, c.want) {
			t.Errorf("%s: got %q, want %q", name, h, c.want)
		}
	}
	var h Header
	h.Del("a")
	h.Set("a", "1")
	if !slices.Equal(h, Header{{"a", "1"}}) {
		t.Errorf("Set in the zero header: got %q", h)
	}
}

// A copy and its source do not change each other.
func TestHeaderClone(t *testing.T) {
	t.Parallel()
	h := lines()
	c := h.Clone()
	c.Set("Host", "b")
	c.Del("X-One")
	c.Add("More", "1")
	if !slices.Equal(h, lines()) {
		t.Errorf("got %q, want what it was", h)
	}
	d := h.Clone()
	h.Del("Host")
	h.Set("X-One", "0")
	if !slices.Equal(d, lines()) {
		t.Errorf("copy: got %q, want what the source was", d)
	}
}

func TestHasToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []string
		token  string
		want   bool
	}{
		{[]string{"close"}, "close", true},
		{[]string{"Close"}, "close", true},
		{[]string{"TE, \tclose\t ,x"}, "close", true},
		{[]string{"TE", "x,close"}, "close", true},
		{[]string{",,close,"}, "close", true},
		{[]string{"closed"}, "close", false},
		{[]string{"x close"}, "close", false},
		{[]string{"close;q=1"}, "close", false},
		{[]string{"\"close\""}, "close", false},
		{[]string{"close\v"}, "close", false},
		{[]string{"clo\u017fe"}, "close", false}, // folds into "close"
		{[]string{"\u212aeep-alive"}, "keep-alive", false},
		{[]string{""}, "close", false},
		{nil, "close", false},
	} {
		h := Header{{"Other", "close"}}
		for _, v := range c.values {
			h.Add("connection", v)
		}
		if got := h.HasToken("Connection", c.token); got != c.want {
			t.Errorf("%q: has %s: got %t, want %t", c.values, c.token, got, c.want)
		}
	}
}

func TestHeaderForms(t *testing.T) {
	t.Parallel()
	h := lines()
	if got, want := h.Names(), []string{"Host", "X-one", "Accept", "Empty"}; !slices.Equal(got, want) {
		t.Errorf("Names: got %q, want %q", got, want)
	}
	var many Header
	for i := range 3 * manyLines {
		many.Add(fmt.Sprint("X-", i/2), "")
		many.Add(fmt.Sprint("x-", i/2), "")
	}
	if got := many.Names(); len(got) != 3*manyLines/2 || got[1] != "X-1" {
		t.Errorf("Names of many lines: got %q", got)
	}
	for name, want := range map[string]string{"x-ONE": "1, 2, 3", "host": "a", "Empty": "", "none": ""} {
		if got := h.Joined(name); got != want {
			t.Errorf("Joined(%q): got %q, want %q", name, got, want)
		}
	}
	if got := HeaderOf("Host", "a", "X-one", "1"); !slices.Equal(got, h[:2]) {
		t.Errorf("HeaderOf: got %q", got)
	}
	m := h.Map()
	if got := m["X-One"]; !slices.Equal(got, []string{"1", "2", "3"}) || len(m) != 4 {
		t.Errorf("Map: got %q", m)
	}
	want := HeaderOf("Accept", "*/*", "Empty", "", "Host", "a", "X-One", "1", "X-One", "2", "X-One", "3")
	if got := HeaderFrom(m); !slices.Equal(got, want) {
		t.Errorf("HeaderFrom: got %q, want %q", got, want)
	}
	if HeaderFrom(nil) != nil {
		t.Error("HeaderFrom(nil) is not nil")
	}
}
