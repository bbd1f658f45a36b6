package document

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Item is the step of a path that stands for the elements of a sequence.
const Item = "[]"

// Cursor is what is written at a place of a text that somebody edits. The text may be
// incomplete.
type Cursor struct {
	// Path has the keys above the place, and [Item] for each sequence.
	Path []string
	// Value reports whether a value is written there, else a key. The key of a value is the
	// last of Path.
	Value bool
	// Prefix is the begun word before the place, without quotes.
	Prefix string
	// From is the column at which the word begins, from 1.
	From int
	// Quoted reports whether keys are written in quotes, as in JSON; Open whether the word
	// has begun with a quote.
	Quoted, Open bool
}

// keyLine matches a line of a block mapping: spaces, dashes, the key and the value.
var keyLine = regexp.MustCompile(`^([ ]*(?:- +)*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'#\[\]{},-][^#]*?):(?:[ \t]+(.*))?$`)

// CursorAt returns what is written before a line and column, both from 1, of a text in YAML
// or JSON. ok is false within a comment and within the lines of a block scalar. Columns
// count characters.
func CursorAt(text string, line, column int) (c Cursor, ok bool) {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return c, false
	}
	now := []rune(strings.TrimSuffix(lines[line-1], "\r"))
	before := string(now[:min(max(column-1, 0), len(now))])
	above := lines[:line-1]
	if begin := strings.TrimSpace(text); strings.HasPrefix(begin, "{") || strings.HasPrefix(begin, "[") {
		c = flowCursor(strings.Join(append(above[:len(above):len(above)], before), "\n"), nil)
		c.Quoted = true
		return c, true
	}
	if strings.HasPrefix(strings.TrimSpace(before), "#") {
		return c, false
	}
	indent := strings.TrimLeft(before, " ")
	at := utf8.RuneCountInString(before) - utf8.RuneCountInString(indent)
	path, ok := blockPath(above, before, at)
	if !ok {
		return c, false
	}
	content := strings.TrimLeft(before, " -")
	if m := keyLine.FindStringSubmatch(before); m != nil {
		path = append(path, unquoted(m[2]))
		value := m[3]
		if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") {
			c = flowCursor(value, path)
			c.From += utf8.RuneCountInString(before) - utf8.RuneCountInString(value)
			return c, true
		}
		content, c.Value = value, true
		if strings.Contains(value, " #") {
			return c, false
		}
	} else if strings.HasPrefix(content, "{") || strings.HasPrefix(content, "[") {
		c = flowCursor(content, path)
		c.From += utf8.RuneCountInString(before) - utf8.RuneCountInString(content)
		return c, true
	}
	c.Path = path
	c.Open = strings.HasPrefix(content, `"`) || strings.HasPrefix(content, "'")
	c.Prefix = strings.TrimLeft(content, `"'`)
	c.From = utf8.RuneCountInString(before) - utf8.RuneCountInString(c.Prefix) + 1
	return c, true
}

// unquoted returns a key without its quotes.
func unquoted(key string) string { return strings.Trim(strings.TrimSpace(key), `"'`) }

// blockPath returns the keys above a line of a block mapping, of which before is written.
// at is the column of its first character, from 0. ok is false within a block scalar.
func blockPath(above []string, before string, at int) (path []string, ok bool) {
	var up []string // from the innermost on
	if strings.HasPrefix(before[at:]+" ", "- ") {
		up = dashesOf(before[at:])
	}
	level, listed := at, len(up) > 0
	for i := len(above) - 1; i >= 0; i-- {
		line := strings.TrimRight(above[i], " \r")
		body := strings.TrimLeft(line, " ")
		if body == "" || strings.HasPrefix(body, "#") || strings.HasPrefix(body, "---") {
			continue
		}
		col := len(line) - len(body)
		key, value, isKey := "", "", false
		keyAt := col
		if m := keyLine.FindStringSubmatch(line); m != nil {
			key, value, isKey, keyAt = unquoted(m[2]), m[3], true, len(m[1])
		}
		switch {
		case isKey && (keyAt < level || listed && keyAt == level && col == keyAt):
			if strings.HasPrefix(value, "|") || strings.HasPrefix(value, ">") {
				return nil, false
			}
			up = append(up, key)
			level, listed = keyAt, false
			if col < keyAt { // the key begins an element
				up, level, listed = append(up, dashesOf(line[col:keyAt])...), col, true
			}
		case strings.HasPrefix(body, "-") && col < level && !listed:
			up, level, listed = append(up, dashesOf(body)...), col, true
		case col < level:
			level = col
		}
	}
	for i := len(up) - 1; i >= 0; i-- {
		path = append(path, up[i])
	}
	return path, true
}

// dashesOf returns an [Item] for each dash at the beginning of a text.
func dashesOf(text string) (items []string) {
	for strings.HasPrefix(text, "-") {
		items = append(items, Item)
		text = strings.TrimLeft(text[1:], " ")
	}
	return items
}

// flowCursor returns the cursor at the end of a text in flow style, which begins below a
// path.
func flowCursor(text string, base []string) Cursor {
	type level struct {
		list bool
		key  string
		word bool // a key has been read
	}
	var stack []level
	word, from, open := "", 1, false
	line, quote, escaped := 0, rune(0), false // where the line begins
	n := 0
	reset := func() { word, from, open = "", n-line+1, false }
	for _, r := range text {
		n++
		switch {
		case quote != 0:
			if escaped {
				escaped = false
			} else if r == '\\' && quote == '"' {
				escaped = true
			} else if r == quote {
				quote = 0
				continue
			}
			word += string(r)
		case r == '"' || r == '\'':
			quote = r
			reset()
			open = true
		case r == '{' || r == '[':
			stack = append(stack, level{list: r == '['})
			reset()
		case (r == '}' || r == ']') && len(stack) > 0:
			stack = stack[:len(stack)-1]
			reset()
		case r == ':' && len(stack) > 0 && !stack[len(stack)-1].list && !stack[len(stack)-1].word:
			stack[len(stack)-1].key, stack[len(stack)-1].word = strings.TrimSpace(word), true
			reset()
		case r == ',' && len(stack) > 0:
			stack[len(stack)-1].word, stack[len(stack)-1].key = false, ""
			reset()
		case r == '\n':
			line = n
			reset()
		case r == ' ' && word == "":
			reset()
		default:
			word += string(r)
		}
	}
	c := Cursor{Path: base[:len(base):len(base)], Prefix: word, From: from, Open: open}
	for i, l := range stack {
		switch {
		case l.list:
			c.Path = append(c.Path, Item)
		case l.word:
			c.Path = append(c.Path, l.key)
			c.Value = i == len(stack)-1
		}
	}
	if len(stack) > 0 && stack[len(stack)-1].list {
		c.Value = true
	}
	return c
}
