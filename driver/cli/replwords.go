package cli

import (
	"io"
	"regexp"
	"strings"

	"starproxy/script"
)

// replHelp is the answer to help in a session.
const replHelp = `Statements and expressions are run as they are entered.
  help NAME    what a function, module or value is for, such as help call
  _            the last value
  exit         ends the session, as do quit and Ctrl-D
At a terminal, Tab completes a name, or indents; the arrow keys and Ctrl-R bring
back what was entered before; Ctrl-C drops what is typed, or ends what runs.
"starproxy script doc" lists all that can be called.`

// replWord is a line that is for the session itself, not for the interpreter.
var replWord = regexp.MustCompile(`^\s*(help|exit|quit)\s*(?:\(\s*["']?([\w.]*)["']?\s*\)|\s([\w.]+))?\s*$`)

// A word is a line that a session itself answers.
type word struct {
	leave bool
	text  string // what to say
}

// wordIn returns the word that a line is, or false for a statement. A script may call
// something else so.
func wordIn(s *script.Session, line string) (word, bool) {
	m := replWord.FindStringSubmatch(line)
	if m == nil || s.Defined(m[1]) {
		return word{}, false
	}
	if m[1] != "help" {
		return word{leave: true}, true
	}
	name := m[2] + m[3]
	if doc, ok := s.Doc(name); ok {
		return word{text: doc}, true
	}
	return word{text: helpOf(name)}, true
}

// withWords is read with help, exit and quit. say prints what help has to say.
func withWords(s *script.Session, read func(more bool) (string, error), say func(string)) func(bool) (string, error) {
	return func(more bool) (string, error) {
		for {
			line, err := read(more)
			if err != nil || more {
				return line, err
			}
			w, ok := wordIn(s, line)
			switch {
			case !ok:
				return line, nil
			case w.leave:
				return "", io.EOF
			}
			say(w.text)
		}
	}
}

// helpOf returns the documentation of a name, or what can be entered.
func helpOf(name string) string {
	if name == "" {
		return replHelp
	}
	sections, err := script.Reference()
	if err == nil {
		sections, err = script.Find(sections, name)
	}
	if err != nil {
		return err.Error()
	}
	d := docPrinter{width: 100}
	for _, section := range sections {
		d.section(section, true)
	}
	return strings.TrimRight(d.b.String(), "\n")
}
