package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"
)

// manCmd writes the manual pages. It is for those who package the program: make man.
type manCmd struct {
	Dir string `arg:"" help:"Directory for the pages; it is made if need be."`
}

// Run writes a page for each program and for each of its commands.
func (c *manCmd) Run(ctx context.Context, sys *System) error {
	pages, err := manPages(ctx, sys)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	sys.out("%s in %s", plural(len(pages), "page"), c.Dir)
	return nil
}

// manPages returns the pages of section 1 by the names of their files, in the macros of man(7):
// starproxy and j, and one for each command of theirs, which has its subcommands.
func manPages(ctx context.Context, sys *System) (map[string]string, error) {
	pages := map[string]string{}
	for _, of := range []struct {
		name, page string
		grammar    any
		about      string
	}{
		{"starproxy", "starproxy", &program{}, "mock, pass on and capture the HTTP and HTTPS of a device under test"},
		{"j EXPORT", "j", &proxyCommands{}, "control a proxy of a Jumpstarter exporter"},
	} {
		app, _, err := sys.parser(ctx, of.name, of.grammar, proxy{})
		if err != nil {
			return nil, err
		}
		var names []string
		for _, node := range app.Model.Children {
			if !node.Hidden {
				names = append(names, of.page+"-"+node.Name)
			}
		}
		top := &manPage{name: of.page}
		top.begin(of.about)
		top.synopsis(of.name + " <command> ...")
		top.section("DESCRIPTION")
		top.prose(app.Model.Detail)
		top.section("COMMANDS")
		for _, node := range app.Model.Children {
			if !node.Hidden {
				top.term(bold(of.page+"-"+node.Name)+"(1)", node.Help)
			}
		}
		top.end(names)
		pages[of.page+".1"] = top.String()
		for _, node := range app.Model.Children {
			if node.Hidden {
				continue
			}
			p := &manPage{name: of.page + "-" + node.Name}
			p.command(node, of.name)
			p.end([]string{of.page})
			pages[p.name+".1"] = p.String()
		}
	}
	return pages, nil
}

// manPage is a page that is being written.
type manPage struct {
	strings.Builder
	name string
}

// line writes a line of requests, or a text that is escaped already.
func (p *manPage) line(text string) { p.WriteString(text + "\n") }

// begin writes the heading and the section NAME.
func (p *manPage) begin(about string) {
	day, _, _ := strings.Cut(date(), "T")
	p.line(`.TH "` + strings.ToUpper(escaped(p.name)) + `" "1" "` + escaped(day) + `" "starproxy ` + escaped(version()) + `" "starproxy manual"`)
	p.section("NAME")
	about = strings.TrimSuffix(about, ".")
	p.text(strings.ReplaceAll(p.name, " ", "-") + " - " + strings.ToLower(about[:1]) + about[1:])
}

// section begins a section.
func (p *manPage) section(name string) { p.line(".SH " + name) }

// synopsis writes how a command is called.
func (p *manPage) synopsis(text string) {
	p.section("SYNOPSIS")
	p.line(bold(text))
}

// command writes all but the end of a page about a command of a program.
func (p *manPage) command(node *kong.Node, program string) {
	p.begin(node.Help)
	p.synopsis(program + " " + node.Summary())
	p.section("DESCRIPTION")
	p.text(node.Help)
	if node.Detail != "" {
		p.line(".PP")
		p.prose(node.Detail)
	}
	p.arguments(node, ".SH ARGUMENTS", ".SH OPTIONS")
	for _, child := range node.Children {
		if child.Hidden {
			continue
		}
		p.line(".SH " + strings.ToUpper(escaped(child.Path())))
		p.line(bold(program + " " + child.Summary()))
		p.line(".PP")
		p.text(child.Help)
		if child.Detail != "" {
			p.line(".PP")
			p.prose(child.Detail)
		}
		p.arguments(child, ".SS Arguments", ".SS Options")
	}
}

// arguments writes the arguments and flags of a command below headings.
func (p *manPage) arguments(node *kong.Node, arguments, options string) {
	if len(node.Positional) > 0 {
		p.line(arguments)
		for _, a := range node.Positional {
			p.term(bold(a.Summary()), a.Help)
		}
	}
	first := true
	for _, f := range node.Flags {
		if f.Hidden || f.Name == "help" {
			continue
		}
		if first {
			p.line(options)
			first = false
		}
		p.term(flagTerm(f), f.Help)
	}
}

// flagTerm returns a flag with its short form and its value.
func flagTerm(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Tag.Negatable != "" {
		name = "--[no-]" + f.Name
	}
	term := bold(name)
	if f.Short != 0 {
		term = bold("-"+string(f.Short)) + ", " + term
	}
	if !f.IsBool() {
		term += "=\\fI" + escaped(f.FormatPlaceHolder()) + "\\fR"
	}
	return term
}

// term writes a word and what it means.
func (p *manPage) term(word, meaning string) {
	p.line(".TP")
	p.line(word)
	p.text(meaning)
}

// prose writes the text of a help: paragraphs, and blocks that are indented by four blanks,
// which stay as they are.
func (p *manPage) prose(text string) {
	verbatim, gap := false, false
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		line = strings.TrimRight(line, "\n")
		code := strings.HasPrefix(line, "    ")
		if line == "" {
			gap = true
			continue
		}
		switch {
		case code && !verbatim:
			p.line(".PP\n.RS 4\n.nf")
		case !code && verbatim:
			p.line(".fi\n.RE\n.PP")
		case gap && verbatim:
			p.line("")
		case gap:
			p.line(".PP")
		}
		verbatim, gap = code, false
		if code {
			line = line[4:]
		}
		p.text(line)
	}
	if verbatim {
		p.line(".fi\n.RE")
	}
}

// end writes how a command ends, and related pages.
func (p *manPage) end(also []string) {
	p.section("EXIT STATUS")
	p.text("0 for success, 1 for a failure, 80 for a command line that is wrong. A command that checks something exits with 1 when " +
		"it finds something.")
	p.section("SEE ALSO")
	for i, name := range also {
		comma := ","
		if i == len(also)-1 {
			comma = ""
		}
		p.line(bold(name) + "(1)" + comma)
	}
}

// text writes a text as it is.
func (p *manPage) text(s string) { p.line(escaped(s)) }

// bold returns a text in bold.
func bold(s string) string { return `\fB` + escaped(s) + `\fR` }

// escaped returns a text in which nothing means something to troff. Its hyphens are those of
// the keyboard, so that options can be copied.
func escaped(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", "\\(ga", "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
