// Command plot draws the first table of the benchmark as SVG pictures: the CPU time of a
// request, and the requests per second. It reads the output of "make bench", or a document
// that has its table.
//
//	go run ./driver/cli/bench/plot docs/performance.md docs/plots
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("arguments: got %d, want the file with the table and the directory for the pictures", len(args))
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	rows, err := readTable(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	for name, picture := range pictures(rows) {
		if err := os.WriteFile(filepath.Join(args[1], name), []byte(picture), 0o644); err != nil {
			return err
		}
	}
	return nil
}
