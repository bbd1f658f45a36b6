package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// measure is what one program needs for a kind of work.
type measure struct {
	micros float64 // CPU time of a request, in microseconds
	rate   float64 // requests a second; 0 where the table has bytes a second
}

// row is one kind of work, as each of the programs does it.
type row struct {
	work     string
	programs []measure // in the order of programs
}

// programs has the columns of the table that are drawn.
var programs = [...]string{"starproxy", "bare net/http", "mitmdump"}

// readTable reads the first table of a text that has a column for each program. Rows in
// which a program has no request time are left out.
func readTable(text string) ([]row, error) {
	var columns []int
	var rows []row
	for n, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if columns == nil {
			columns = columnsOf(cells)
			continue
		}
		r := row{work: cells[0]}
		for _, c := range columns {
			if c >= len(cells) {
				return nil, fmt.Errorf("line %d: got %d cells, want one for each program", n+1, len(cells))
			}
			if m, err := readMeasure(cells[c]); err == nil {
				r.programs = append(r.programs, m)
			}
		}
		if len(r.programs) == len(programs) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("got no table with the columns %s", strings.Join(programs[:], ", "))
	}
	return rows, nil
}

// columnsOf returns the place of each program in the head of a table, nil if one has none.
func columnsOf(head []string) []int {
	var all []int
	for _, p := range programs {
		at := slices.Index(head, p)
		if at < 0 {
			return nil
		}
		all = append(all, at)
	}
	return all
}

// readMeasure reads "12.5 µs, 53707/s" and "5.4 ms, 1399 MB/s".
func readMeasure(cell string) (measure, error) {
	duration, rate, ok := strings.Cut(cell, ", ")
	number, unit, spaced := strings.Cut(duration, " ")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || !spaced || err != nil {
		return measure{}, errors.New("got no time and rate")
	}
	m := measure{micros: v}
	switch unit {
	case "µs":
	case "ms":
		m.micros *= 1000
	default:
		return measure{}, fmt.Errorf("got the unit %q, want µs or ms", unit)
	}
	if number, ok := strings.CutSuffix(rate, "/s"); ok {
		m.rate, _ = strconv.ParseFloat(number, 64) // bytes a second are no rate of requests
	}
	return m, nil
}
