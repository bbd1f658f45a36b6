package cli

import "strconv"

// A colour is an SGR foreground code of a terminal.
type colour int

const (
	red    colour = 31
	green  colour = 32
	yellow colour = 33
	blue   colour = 34
	cyan   colour = 36
	white  colour = 37
	grey   colour = 90
)

// palette colours text, or leaves it alone when it is off.
type palette bool

// paint is text in a colour.
func (on palette) paint(text string, c colour) string {
	if !on {
		return text
	}
	return "\x1b[" + strconv.Itoa(int(c)) + "m" + text + "\x1b[0m"
}

// bold is text in a colour and in bold.
func (on palette) bold(text string, c colour) string {
	if !on {
		return text
	}
	return "\x1b[" + strconv.Itoa(int(c)) + "m\x1b[1m" + text + "\x1b[0m"
}
