package h1

import (
	"bufio"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// stranger reads messages that nobody knows, with one buffer for all.
type stranger struct {
	method string
	br     *bufio.Reader
}

func newStranger(method string) stranger {
	return stranger{method, bufio.NewReaderSize(nil, 4<<10)}
}

func (s stranger) parse(src io.Reader) (*parsed, error) {
	s.br.Reset(src)
	return parse(s.method, s.br)
}

// read is the reading of what comes from src.
func (s stranger) read(src io.Reader) reading {
	p, err := s.parse(src)
	if err != nil {
		return refusal(err)
	}
	return p.reading()
}

// halves gives text in two reads.
func halves(text string, at int) io.Reader {
	return io.MultiReader(strings.NewReader(text[:at]), strings.NewReader(text[at:]))
}

// TestSplitAnywhere cuts each message of the corpus at each place.
func TestSplitAnywhere(t *testing.T) {
	t.Parallel()
	for _, m := range corpus(t) {
		s := newStranger(m.method)
		want := s.read(strings.NewReader(m.text))
		if got := s.read(iotest.OneByteReader(strings.NewReader(m.text))); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: in bytes: got %s, want %s", m.name, got, want)
		}
		step := 1
		if len(m.text) > 1<<10 {
			step = len(m.text)/20 + 1
		}
		for at := 0; at < len(m.text); at += step {
			if got := s.read(halves(m.text, at)); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: cut at %d: got %s, want %s", m.name, at, got, want)
				break
			}
		}
	}
}

// orderly is a message whose head has one spelling only, which is written as it
// was read.
var orderly = regexp.MustCompile(`^(?:[!-~]+ [!-~]+ HTTP/1\.[01]|HTTP/1\.[01] [1-9][0-9][0-9] [ -~]*)\r\n(?:[!-9;-~]+:(?: [!-~](?:[ -~]*[!-~])?| )\r\n)*\r\n`)

// rewritten are lines that we write in another way (RFC 9110 section 8.6, RFC 9112
// section 6.3).
var rewritten = regexp.MustCompile(`(?i)\ncontent-length:[^\n]*,|\ncontent-length:(?s:.*)\n(content-length|transfer-encoding):|\ntransfer-encoding:(?s:.*)\ncontent-length:`)

// check holds all that is true of any text.
func check(t *testing.T, s stranger, text string, at int) {
	t.Helper()
	p, err := s.parse(strings.NewReader(text))
	want := reading{}
	if err != nil {
		want = refusal(err)
	} else {
		want = p.reading()
	}
	if at < 0 || at > len(text) {
		at = len(text) / 2
	}
	if got := s.read(halves(text, at)); !reflect.DeepEqual(got, want) {
		t.Fatalf("cut at %d: got %s, want %s", at, got, want)
	}
	if got := s.read(iotest.OneByteReader(strings.NewReader(text))); !reflect.DeepEqual(got, want) {
		t.Fatalf("in bytes: got %s, want %s", got, want)
	}
	if err != nil {
		return
	}
	if !strings.HasSuffix(text, p.rest) {
		t.Fatalf("rest: got %q, want what is behind the message", p.rest)
	}
	// The bytes of the message are all that it needs.
	alone := want
	alone.Rest = ""
	if got := s.read(strings.NewReader(strings.TrimSuffix(text, p.rest))); !reflect.DeepEqual(got, alone) {
		t.Fatalf("without the rest: got %s, want %s", got, alone)
	}
	written := write(p)
	if got := s.read(strings.NewReader(written)); !sameMessage(got, alone) {
		t.Fatalf("wrote %q: got %s, want %s", written, got, alone)
	}
	if head := orderly.FindString(text); head != "" && !rewritten.MatchString(head) && !strings.HasPrefix(written, head) {
		t.Fatalf("wrote %q, want the head %q", written, head)
	}
	if again, err := s.parse(strings.NewReader(written)); err != nil || write(again) != written {
		t.Fatalf("wrote %q, then %q (%v)", written, write(again), err)
	}
}

// sameMessage compares all but whether the connection persists: a message with two
// lengths is written with one.
func sameMessage(a, b reading) bool {
	a.Keep = b.Keep
	return reflect.DeepEqual(a, b)
}

func FuzzRequest(f *testing.F) {
	fuzz(f, func(method string) bool { return method == "" })
}

func FuzzResponse(f *testing.F) {
	fuzz(f, func(method string) bool { return method != "" })
}

func fuzz(f *testing.F, takes func(method string) bool) {
	for i, m := range corpus(f) {
		if takes(m.method) && len(m.text) < 4<<10 {
			f.Add(m.method, m.text, i%(len(m.text)+1))
		}
	}
	f.Fuzz(func(t *testing.T, method, text string, at int) {
		if takes(method) {
			check(t, newStranger(method), text, at)
		}
	})
}

func FuzzTarget(f *testing.F) {
	for _, m := range targets() {
		method, rest, _ := strings.Cut(m.text, " ")
		target, _, _ := strings.Cut(rest, " ")
		f.Add(method, target)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		got, err := ParseTarget(method, target)
		switch {
		case err != nil:
			return
		case (got.Form == AuthorityForm) != (method == "CONNECT"), got.Form == AuthorityForm && got.Authority != target:
			t.Errorf("%s %q: got %+v", method, target, got)
		case got.Form == AbsoluteForm && (got.Authority == "" || got.Scheme != "http" && got.Scheme != "https" || strings.Contains(got.Authority, "@")):
			t.Errorf("%s %q: got %+v", method, target, got)
		case got.Form == OriginForm && got.Path != target:
			t.Errorf("%s %q: got %+v", method, target, got)
		}
		if got.Form == AuthorityForm {
			return
		}
		if again, err := ParseTarget(method, got.Path); err != nil || again.Path != got.Path || again.Form == AbsoluteForm {
			t.Errorf("%s %q: the path %q is read as %+v, %v", method, target, got.Path, again, err)
		}
	})
}
