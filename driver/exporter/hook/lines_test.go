//go:build unix

package hook

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// All output arrives, in order, however fast it comes and however slowly it is
// taken.
func TestOutputIsWhole(t *testing.T) {
	t.Parallel()
	const count = 20000
	n := 0
	_, err := Run(t.Context(), Hook{Script: fmt.Sprintf("seq 1 %d", count)}, Env{}, func(line string) {
		if n++; line != strconv.Itoa(n) {
			t.Errorf("line %d is %q", n, line)
		}
		if n == count-5 { // the hook has ended when this returns
			time.Sleep(2 * drainQuiet)
		}
	})
	if err != nil || n != count {
		t.Errorf("got %d lines and error %v, want %d lines", n, err, count)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\nb"), 3)
	f.Add([]byte(strings.Repeat("é", maxLine)), 7)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = max(1, size)
		var got strings.Builder
		l := &lines{emit: func(line string) {
			if line == "" || len(line) > 3*maxLine || strings.Contains(line, "\n") { // a replaced byte takes three
				t.Errorf("line of %d bytes: %.80q", len(line), line)
			}
			got.WriteString(line)
		}}
		for piece := range slices.Chunk(data, size) {
			l.add(piece)
		}
		l.flush()
		squeeze := func(s string) string {
			return strings.Join(strings.Fields(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\uFFFD", "")), "")
		}
		if g, w := squeeze(got.String()), squeeze(string(data)); g != w {
			t.Errorf("got %.200q, want %.200q", g, w)
		}
	})
}
