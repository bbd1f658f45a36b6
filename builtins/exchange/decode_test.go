package exchange

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// encode applies the encodings one after the other; "bare" is deflate without
// its zlib frame.
func encode(t testing.TB, data []byte, encodings ...string) []byte {
	t.Helper()
	for _, name := range encodings {
		var buf bytes.Buffer
		var w io.WriteCloser
		var err error
		switch name {
		case "gzip", "x-gzip":
			w = gzip.NewWriter(&buf)
		case "deflate":
			w = zlib.NewWriter(&buf)
		case "bare":
			w, err = flate.NewWriter(&buf, flate.BestSpeed)
		case "br":
			w = brotli.NewWriter(&buf)
		case "zstd":
			w, err = zstd.NewWriter(&buf)
		case "identity":
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		data = buf.Bytes()
	}
	return data
}

// named gives the encodings as a header names them.
func named(encodings []string) []string {
	list := slices.Clone(encodings)
	for i, name := range list {
		if name == "bare" {
			list[i] = "deflate"
		}
	}
	return list
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ values, want []string }{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{"identity"}, nil},
		{[]string{"GZip"}, []string{"gzip"}},
		{[]string{" br , x-gzip,, identity", "zstd"}, []string{"br", "x-gzip", "zstd"}},
		{[]string{"lzma"}, []string{"lzma"}},
	} {
		if got := Encodings(encoded(c.values...)); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.values, got, c.want)
		}
	}
}

// encoded is a header with the names of encodings, a line each.
func encoded(names ...string) (h Header) {
	h.Set("Content-Encoding", names...)
	return h
}

func TestDecode(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("hello, ", 5000))
	for _, encodings := range [][]string{
		{}, {"identity"}, {"gzip"}, {"x-gzip"}, {"deflate"}, {"bare"}, {"br"}, {"zstd"},
		{"br", "gzip"}, {"bare", "zstd", "deflate", "br"},
	} {
		data, names := encode(t, text, encodings...), named(encodings)
		if got, err := Decode(data, names, len(text)); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%q: %d bytes, %v", encodings, len(got), err)
		}
		if got, err := Decode(nil, names, 1); err != nil || len(got) != 0 {
			t.Errorf("%q of nothing: %q, %v", encodings, got, err)
		}
		if len(Encodings(encoded(names...))) == 0 {
			continue
		}
		got, err := Decode(data, names, len(text)-1)
		if !errors.Is(err, ErrBodyTooLarge) || !bytes.Equal(got, text[:len(text)-1]) {
			t.Errorf("%q beyond the bound: %d bytes, %v", encodings, len(got), err)
		}
		got, err = Decode(data[:len(data)-3], names, len(text))
		if errors.Is(err, ErrBodyTooLarge) || !bytes.HasPrefix(text, got) {
			t.Errorf("%q cut short: %.40q, %v", encodings, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		data      string
		encodings []string
		want      string
	}{
		{"xx", []string{"lzma"}, `content-encoding "lzma": expected gzip, deflate, br or zstd`},
		{"xx", []string{"gzip"}, "EOF"},
		{"not gzip at all", []string{"gzip"}, "invalid header"},
		{"xx", []string{"gzip", "gzip", "gzip", "gzip", "gzip"}, "content-encoding: got 5 on top of each other, want at most 4"},
	} {
		if _, err := Decode([]byte(c.data), c.encodings, 100); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.encodings, err, c.want)
		}
	}
}

// What is unfolded is what is asked for, whatever the decoder reads from.
func TestDecoderUnfoldsAsItIsRead(t *testing.T) {
	for _, name := range []string{"gzip", "deflate", "br", "zstd"} {
		bomb := encode(t, make([]byte, 16<<20), name)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := NewDecoder(bytes.NewBuffer(bomb), []string{name})
		if err != nil {
			t.Fatal(name, err)
		}
		if n, err := io.CopyN(io.Discard, r, 1000); n != 1000 || err != nil {
			t.Error(name, n, err)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > maxWindow+4<<20 {
			t.Errorf("%s: %d bytes allocated", name, grown)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"gzip", "deflate", "bare", "br", "zstd"} {
		f.Add(named([]string{name})[0], encode(f, []byte("hello, hello, hello"), name))
	}
	f.Add("gzip, br", encode(f, []byte("hello"), "gzip", "br"))
	f.Fuzz(func(t *testing.T, encoding string, data []byte) {
		const most = 1 << 16
		names := Encodings(encoded(encoding))
		got, err := Decode(data, names, most)
		if len(got) > most && len(names) > 0 {
			t.Errorf("%d bytes", len(got))
		}
		if len(names) == 0 && (err != nil || !bytes.Equal(got, data)) {
			t.Errorf("without an encoding: %q, %v", got, err)
		}
	})
}
