package cli

import (
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// printable returns s with U+FFFD in the place of every character that plays with a
// terminal: control characters, and those that turn the direction of writing.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// textWidth returns the number of columns that s takes on a terminal.
func textWidth(s string) int { return uniseg.StringWidth(s) }

// left returns s with blanks behind it up to width columns.
func left(s string, width int) string { return s + strings.Repeat(" ", max(0, width-textWidth(s))) }

// right returns s with blanks before it up to width columns.
func right(s string, width int) string { return strings.Repeat(" ", max(0, width-textWidth(s))) + s }

// cut returns s as [printable] has it in at most width columns. A longer text ends with "…".
func cut(s string, width int) string {
	if s = printable(s); textWidth(s) <= width {
		return s
	}
	var b strings.Builder
	taken := 1 // the ellipsis
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if taken += g.Width(); taken > width {
			break
		}
		b.WriteString(g.Str())
	}
	return b.String() + "…"
}

// fit is [cut] in exactly width columns.
func fit(s string, width int) string { return left(cut(s, width), width) }

// bounded returns the number of columns of a table, 0 for as many as it needs: who prints into
// a pipe or a file wants every text whole.
func (s *System) bounded() int {
	if s.Getenv("COLUMNS") == "" && !terminal(s.Stdout) {
		return 0
	}
	return s.width()
}

// minColumn is the least width to which a column of a table is cut.
const minColumn = 8

// table prints rows in columns, the first of which are the headings. A heading that begins with
// ">" is that of a column of numbers. The widest columns are cut where the width is bounded.
func (s *System) table(rows [][]string) {
	numbers := make([]bool, len(rows[0]))
	widths := make([]int, len(rows[0]))
	for i, heading := range rows[0] {
		rows[0][i] = strings.TrimPrefix(heading, ">")
		numbers[i] = rows[0][i] != heading
	}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], textWidth(printable(cell)))
		}
	}
	narrow(widths, s.bounded())
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			cell = fit(cell, widths[i])
			if numbers[i] {
				cell = right(strings.TrimSpace(cell), widths[i])
			}
			line += "  " + cell
		}
		s.out("%s", strings.TrimRight(line, " "))
	}
}

// narrow takes columns from the widest until all of them, with two blanks before each, are
// within the limit; 0 is none.
func narrow(widths []int, limit int) {
	if limit == 0 {
		return
	}
	for {
		total, widest := 0, 0
		for i, w := range widths {
			total += 2 + w
			if w > widths[widest] {
				widest = i
			}
		}
		if total <= limit || widths[widest] <= minColumn {
			return
		}
		widths[widest]--
	}
}
