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
  exit         ends the session, as do quit and Ctrl-D
"starproxy script doc" lists all that can be called.`

// replWord is a line that is for the session itself, not for the interpreter.
var replWord = regexp.MustCompile(`^\s*(help|exit|quit)\s*(?:\(\s*["']?([\w.]*)["']?\s*\)|\s([\w.]+))?\s*$`)

// withWords is read with help, exit and quit, unless a script calls something
// else so. say prints what help has to say.
func withWords(s *script.Session, read func(more bool) (string, error), say func(string)) func(bool) (string, error) {
	return func(more bool) (string, error) {
		for {
			line, err := read(more)
			m := replWord.FindStringSubmatch(line)
			if err != nil || more || m == nil || s.Defined(m[1]) {
				return line, err
			}
			if m[1] != "help" {
				return "", io.EOF
			}
			say(helpOf(m[2] + m[3]))
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
