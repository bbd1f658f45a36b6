package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Sizes in the units of the picture.
const (
	width  = 820
	label  = 270 // the column of texts
	bar    = 11
	gap    = 14 // between two kinds of work
	margin = 34 // above and below the bars
	number = 70 // the room of a value beside its bar
)

// style has colours for pages with a light and a dark background.
const style = `text{font:12px system-ui,sans-serif;fill:#1c2026}.v,.t{font-size:10px;fill:#616a77}.g{stroke:#dfe2e8}` +
	`.p0{fill:#2f54c8}.p1{fill:#9aa3b2}.p2{fill:#d98b2b}` +
	`@media(prefers-color-scheme:dark){text{fill:#dfe3ea}.v,.t{fill:#939cab}.g{stroke:#3a3f4b}.p0{fill:#8aa8ff}.p1{fill:#6b7484}.p2{fill:#f0b357}}`

// pictures returns the pictures of a table by the names of their files.
func pictures(rows []row) map[string]string {
	var rated []row
	for _, r := range rows {
		if r.programs[0].rate > 0 {
			rated = append(rated, r)
		}
	}
	cpu := func(m measure) float64 { return m.micros }
	requests := func(m measure) float64 { return m.rate }
	return map[string]string{
		"cpu.svg":  chart("CPU time of a request (logarithmic; shorter is better)", rows, cpu, micros),
		"rate.svg": chart("Requests a second, 8 connections (logarithmic; longer is better)", rated, requests, rate),
	}
}

func micros(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.3g ms", v/1000)
	}
	return fmt.Sprintf("%.3g µs", v)
}

func rate(v float64) string {
	if v >= 10_000 {
		return fmt.Sprintf("%.0fk/s", v/1000)
	}
	return fmt.Sprintf("%.0f/s", v)
}

// chart draws a group of bars for each row, on a logarithmic scale.
func chart(title string, rows []row, value func(measure) float64, text func(float64) string) string {
	low, high := math.Inf(1), 0.0
	for _, r := range rows {
		for _, m := range r.programs {
			low, high = min(low, value(m)), max(high, value(m))
		}
	}
	from, to := math.Floor(math.Log10(low/1.5)), math.Log10(high) // the shortest bar is seen, too
	x := func(v float64) float64 {
		return label + (math.Log10(v)-from)/max(to-from, 1)*(width-label-number)
	}
	height := 2*margin + len(rows)*(len(programs)*bar+gap)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n<style>%s</style>\n", width, height, html.EscapeString(title), style)
	fmt.Fprintf(&b, `<text x="0" y="14" font-weight="600">%s</text>`+"\n", html.EscapeString(title))
	for i, p := range programs {
		fmt.Fprintf(&b, `<rect class="p%d" x="%d" y="4" width="10" height="10"/><text x="%d" y="14">%s</text>`+"\n", i, 470+i*120, 484+i*120, html.EscapeString(p))
	}
	for e := from; e <= to; e++ {
		at := x(math.Pow(10, e))
		fmt.Fprintf(&b, `<path class="g" d="M%.1f %dV%d"/><text class="t" x="%.1f" y="%d">%s</text>`+"\n", at, margin-8, height-margin+4, at, height-margin+18, text(math.Pow(10, e)))
	}
	for i, r := range rows {
		y := margin + i*(len(programs)*bar+gap)
		fmt.Fprintf(&b, `<text x="0" y="%d">%s</text>`+"\n", y+bar*2, html.EscapeString(r.work))
		for k, m := range r.programs {
			end := x(value(m))
			fmt.Fprintf(&b, `<rect class="p%d" x="%d" y="%d" width="%.1f" height="%d"/><text class="v" x="%.1f" y="%d">%s</text>`+"\n",
				k, label, y+k*bar, end-label, bar-2, end+4, y+k*bar+bar-3, text(value(m)))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}
