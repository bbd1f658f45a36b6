package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"starproxy/script"
)

type scriptDocCmd struct {
	Name     string `completion:"topics" arg:"" optional:"" help:"A function (state.incr), a module (state, sequence.star) or a value (req); default everything."`
	Markdown bool   `help:"Print Markdown tables, as in docs/reference.md."`
}

// Help shows what to ask for.
func (scriptDocCmd) Help() string {
	return `Without a name, everything in one line each. With one, all there is to say:

    starproxy script doc state
    starproxy script doc random_int
    starproxy script doc sequence.star`
}

// Run prints the documentation.
func (c *scriptDocCmd) Run(sys *System) error {
	sections, err := script.Reference()
	if err != nil {
		return err
	}
	if c.Name != "" {
		if sections, err = script.Find(sections, c.Name); err != nil {
			return err
		}
	}
	if c.Markdown {
		sys.out("%s", strings.TrimRight(markdown(sections), "\n"))
		return nil
	}
	d := docPrinter{palette: palette(sys.colours()), width: sys.width()}
	// An entry that was found by its own name is shown whole.
	entries := 0
	for _, s := range sections {
		entries += len(s.Entries)
	}
	whole := c.Name != "" && (entries <= 3 || len(sections) == 1 && sections[0].Doc == "")
	for i, s := range sections {
		if i > 0 {
			d.b.WriteByte('\n')
		}
		d.section(s, whole)
	}
	sys.out("%s", strings.TrimRight(d.b.String(), "\n"))
	return nil
}

// docPrinter lays out documentation for a terminal.
type docPrinter struct {
	palette
	width int
	b     strings.Builder
}

// signatureColumns is how wide signatures may be for their description to
// follow on the same line.
const signatureColumns = 38

func (d *docPrinter) section(s script.Section, whole bool) {
	if s.Doc != "" {
		if s.Name != "" {
			fmt.Fprintf(&d.b, "%s\n", d.bold(s.Name, cyan))
		}
		d.text(s.Doc, 0)
		d.b.WriteByte('\n')
	}
	for i, e := range s.Entries {
		if !whole {
			d.line(e)
			continue
		}
		if i > 0 {
			d.b.WriteByte('\n')
		}
		d.entry(s, e)
	}
}

// line is an entry in one line, or two when the signature is long.
func (d *docPrinter) line(e script.Entry) {
	n := utf8.RuneCountInString(e.Signature)
	fmt.Fprintf(&d.b, "  %s", d.paint(e.Signature, green))
	if n > signatureColumns {
		d.b.WriteByte('\n')
		n = -2
	}
	for i, line := range wrap(e.Summary(), d.width-signatureColumns-4) {
		if i > 0 {
			n = -2
		}
		fmt.Fprintf(&d.b, "%s%s\n", strings.Repeat(" ", signatureColumns+2-n), line)
	}
	if e.Summary() == "" {
		d.b.WriteByte('\n')
	}
}

// entry is all there is to say about an entry.
func (d *docPrinter) entry(s script.Section, e script.Entry) {
	fmt.Fprintf(&d.b, "%s\n", d.bold(e.Signature, green))
	if strings.HasPrefix(s.Name, "@") {
		fmt.Fprintf(&d.b, "    load(%q, %q)\n", s.Name, e.Name)
	}
	d.text(e.Doc, 4)
	if e.Example != "" {
		d.b.WriteByte('\n')
		for line := range strings.Lines(e.Example) {
			fmt.Fprintf(&d.b, "    %s\n", d.paint(strings.TrimRight(line, "\n"), grey))
		}
	}
}

// text is paragraphs, of which those with indentation of their own are left as
// they are.
func (d *docPrinter) text(s string, indent int) {
	margin := strings.Repeat(" ", indent)
	for i, paragraph := range strings.Split(s, "\n\n") {
		if i > 0 {
			d.b.WriteByte('\n')
		}
		if strings.Contains(paragraph, "\n ") {
			for line := range strings.Lines(paragraph) {
				fmt.Fprintf(&d.b, "%s%s\n", margin, strings.TrimRight(line, "\n"))
			}
			continue
		}
		for _, line := range wrap(paragraph, d.width-indent) {
			fmt.Fprintf(&d.b, "%s%s\n", margin, line)
		}
	}
}

// wrap breaks text into lines of up to width columns, longer words aside.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > max(width, 30) {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// maxRows is how many entries a section can have for a table in Markdown;
// beyond, their names have to do.
const maxRows = 28

// markdown returns a table per section.
func markdown(sections []script.Section) string {
	var b strings.Builder
	for _, s := range sections {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		if s.Name != "" {
			fmt.Fprintf(&b, "**`%s`** ", s.Name)
		}
		fmt.Fprintf(&b, "%s\n\n", inMarkdown(strings.Join(strings.Fields(s.Doc), " ")))
		if len(s.Entries) > maxRows {
			names := make([]string, len(s.Entries))
			for i, e := range s.Entries {
				names[i] = "`" + strings.TrimPrefix(e.Name, s.Name+".") + "`"
			}
			fmt.Fprintf(&b, "%s\n", strings.Join(names, " "))
			continue
		}
		b.WriteString("| | |\n|---|---|\n")
		for _, e := range s.Entries {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(e.Signature, "|", `\|`), inMarkdown(e.Summary()))
		}
	}
	return b.String()
}

// inMarkdown keeps text what it is.
func inMarkdown(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "`", "\\`", "[", `\[`).Replace(s)
}
