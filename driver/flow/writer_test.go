package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"starproxy/driver/capture"

	"github.com/google/go-cmp/cmp"
)

// TestRoundTrip reads what was written, with nothing lost.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	flows := every(t)
	data := encoded(t, flows...)
	got := all(t, opened(t, data, Options{}).Flows())
	if len(got) != len(flows) {
		t.Fatalf("%d flows, expected %d", len(got), len(flows))
	}
	for i := range flows {
		if got[i].Version != 17 {
			t.Errorf("version %d", got[i].Version)
		}
		if diff := cmp.Diff(flows[i], plain(t, got[i]), unexported); diff != "" {
			t.Errorf("flow %d (-want +got):\n%s", i, diff)
		}
	}
	if again := encoded(t, got...); !bytes.Equal(again, data) {
		t.Error("what was read is not written as it was")
	}
}

// text prints a flow.
func text(f *Flow) string {
	b, err := json.Marshal(f)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// writes remembers what each Write got.
type writes [][]byte

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, bytes.Clone(p))
	return len(p), nil
}

func TestWriteBodies(t *testing.T) {
	t.Parallel()
	small, large := strings.Repeat("s", 100<<10), strings.Repeat("0123456789abcdef", 200<<10)
	for _, test := range []struct {
		name              string
		request, response Body
		single            bool
	}{
		{"memory", memory(small), memory(large), true},
		{"small files", onFile(t, small), onFile(t, small), true},
		{"large file", memory(small), onFile(t, large), false},
		{"two files", onFile(t, large), onFile(t, small+large), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := *every(t)[0]
			f.Request.Body = test.request
			f.Response.Body = test.response
			var got writes
			w := NewWriter(&got)
			for range 2 {
				if err := w.Write(&f); err != nil {
					t.Fatal(err)
				}
			}
			if single := len(got) == 2; single != test.single {
				t.Errorf("%d writes", len(got))
			}
			joined := bytes.Join(got, nil)
			f.Request.Body, f.Response.Body = memory(string(load(t, test.request))), memory(string(load(t, test.response)))
			if !bytes.Equal(joined, encoded(t, &f, &f)) {
				t.Error("the record is another one than from memory")
			}
			file, err := Open(saved(t, "x.flow", joined))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			for _, g := range all(t, file.Flows()) {
				if g.Response.Body.Path == "" || g.Response.Body.Data != nil {
					t.Error("a large body was loaded")
				}
				if !reflect.DeepEqual(plain(t, g), &f) {
					t.Error("not what was written")
				}
			}
		})
	}
}

func TestWriteUnkept(t *testing.T) {
	t.Parallel()
	f := every(t)[0]
	f.Request.Body = Body{Blob: capture.Blob{Size: 5, Data: []byte("abc"), Truncated: true}}
	f.Response.Body = Body{Blob: capture.Blob{Size: 5, Path: filepath.Join(t.TempDir(), "gone"), Spooled: true}}
	got := all(t, opened(t, encoded(t, f), Options{}).Flows())[0]
	if !got.Request.Body.Missing || !got.Response.Body.Missing {
		t.Errorf("got %+v and %+v, expected both to be missing", got.Request.Body, got.Response.Body)
	}
}

// TestWriteShort has files that are shorter than a flow says.
func TestWriteShort(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 3 << 20} {
		f := every(t)[0]
		f.Response.Body = onFile(t, strings.Repeat("x", size))
		path := f.Response.Body.Path
		if err := os.Truncate(path, int64(size/2)); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		w := NewWriter(&out)
		if err := w.Write(every(t)[1]); err != nil {
			t.Fatal(err)
		}
		before := out.Len()
		err := w.Write(f)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Fatalf("%d bytes: got %v, expected an error that names %s", size, err, path)
		}
		var partial *PartialError
		if errors.As(err, &partial) {
			if got := int64(out.Len() - before); got != partial.Written {
				t.Errorf("%d bytes written, the error says %d", got, partial.Written)
			}
			out.Truncate(out.Len() - int(partial.Written))
		} else if size > maxWhole {
			t.Errorf("got %v, expected a PartialError", err)
		}
		if err := w.Write(every(t)[2]); err != nil {
			t.Fatal(err)
		}
		if got := all(t, opened(t, out.Bytes(), Options{}).Flows()); len(got) != 2 {
			t.Errorf("%d flows, expected the two whole ones", len(got))
		}
	}
}

// TestWriteDefaults writes a flow of which next to nothing is known.
func TestWriteDefaults(t *testing.T) {
	t.Parallel()
	data := encoded(t, &Flow{Client: Conn{TLSVersion: "TLS 1.3", Certificates: [][]byte{[]byte("no PEM")}}, Comment: "\xff"})
	got := all(t, opened(t, data, Options{}).Flows())[0]
	for _, id := range []string{got.ID, got.Client.ID, got.Server.ID} {
		if len(id) != 36 || id[14] != '4' {
			t.Errorf("id %q is no random UUID", id)
		}
	}
	if got.Client.Peer != "" || got.Client.TLSVersion != "" || got.Client.Certificates != nil || !got.Created.IsZero() || got.Comment != "\ufffd" {
		t.Errorf("got %+v", got)
	}
	if err := NewWriter(io.Discard).Write(&Flow{Metadata: map[string]any{"x": make(chan int)}}); err == nil || !strings.Contains(err.Error(), "chan int") {
		t.Errorf("got %v, expected an error", err)
	}
}

// TestFloat compares with what Python prints.
func TestFloat(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{
		0: "3:0.0^", 1700000000: "12:1700000000.0^", 1795416242.0669332: "18:1795416242.0669332^", 1e16: "5:1e+16^",
		1e15: "18:1000000000000000.0^", 1e-5: "5:1e-05^", 0.0001: "6:0.0001^", -1.5: "4:-1.5^", 1.5e300: "8:1.5e+300^",
	} {
		var e encoder
		e.float(f)
		if got := string(e.buf[e.at:]); got != want {
			t.Errorf("got %s, expected %s", got, want)
		}
	}
}

// TestMicros compares the short way for times with that for floats.
func TestMicros(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		sec, usec := random.Int64N(1<<32-1)+1, random.IntN(1e6)
		if i < 10 {
			usec = []int{0, 1, 10, 999_999, 100_000, 500_000, 123_000, 99, 90, 1000}[i]
		}
		var e, f encoder
		e.moment(time.Unix(sec, int64(usec)*1000))
		f.float(float64(sec) + float64(usec)/1e6)
		if got, want := string(e.buf[e.at:]), string(f.buf[f.at:]); got != want {
			t.Fatalf("got %s, expected %s", got, want)
		}
	}
}
