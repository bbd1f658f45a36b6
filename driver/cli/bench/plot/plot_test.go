package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The pictures of the documentation are those of its table.
func TestPictures(t *testing.T) {
	t.Parallel()
	docs := filepath.Join("..", "..", "..", "..", "docs")
	out := t.TempDir()
	if err := run([]string{filepath.Join(docs, "performance.md"), out}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpu.svg", "rate.svg"} {
		got, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := os.ReadFile(filepath.Join(docs, "plots", name)); err != nil || string(want) != string(got) {
			t.Errorf("docs/plots/%s is not that of docs/performance.md (%v): run \"make plots\"", name, err)
		}
		d := xml.NewDecoder(strings.NewReader(string(got)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// A bar is the longer by the same length for each factor of ten.
func TestTable(t *testing.T) {
	t.Parallel()
	const output = `=== RUN   TestBench

| work | starproxy | bare net/http | ratio (goal) | mitmdump | times (goal) |
|---|--:|--:|--:|--:|--:|
| a mock & <more> | 10 µs, 50000/s | 1.0 ms, 500/s | 1.18 (1.15) | 100 ms, 5/s | 76 (50) |
| bodies | 5.4 ms, 1399 MB/s | 1.7 ms, 5446 MB/s | 0.31 (0.45) | 20.5 ms, 468 MB/s | 4 (–) |
| start to first answer | 24 ms (goal: under 30 ms) | – | – | 563 ms | – |

| another table | x |
`
	rows, err := readTable(output)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].programs[1] != (measure{1000, 500}) || rows[1].programs[0] != (measure{5400, 0}) {
		t.Fatalf("got %+v", rows)
	}
	all := pictures(rows)
	for _, want := range []string{"a mock &amp; &lt;more&gt;", `width="96.0"`, `width="288.0"`, `width="480.0"`, ">100 ms<"} {
		if !strings.Contains(all["cpu.svg"], want) {
			t.Errorf("%q is missing in %s", want, all["cpu.svg"])
		}
	}
	if strings.Contains(all["rate.svg"], "bodies") {
		t.Error("a rate of bytes is drawn as one of requests")
	}
	for _, text := range []string{"", "| a | b |\n|--|--|\n| 1 | 2 |\n", "| work | starproxy | bare net/http | mitmdump |\n| x | 1 µs, 1/s |\n"} {
		if rows, err := readTable(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, rows)
		}
	}
	if err := run(nil); err == nil {
		t.Error("no arguments: got no error")
	}
}
