package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"starproxy/driver/client"
)

// completeCmd answers the completion scripts: the program's name, then the
// words up to the cursor, the last of which is being typed and may be empty.
type completeCmd struct {
	Words []string `arg:"" optional:""`
}

// filesWanted stands for the names of files, which shells complete themselves.
const filesWanted = ":files"

// completionPatience bounds how long a key press waits for an exporter.
const completionPatience = 300 * time.Millisecond

// Run prints one candidate a line, its description behind a tab.
func (c *completeCmd) Run(ctx context.Context, sys *System) error {
	for _, line := range complete(ctx, sys, c.Words) {
		sys.out("%s", line)
	}
	return nil
}

// complete returns the candidates for the last word.
func complete(ctx context.Context, sys *System, words []string) []string {
	if len(words) < 2 {
		return nil
	}
	name, words := words[0], words[1:]
	if name != "j" && words[0] == "j" && len(words) > 1 {
		name, words = "j", words[1:]
	}
	var grammar any = &program{}
	known := knownWords{}
	if name == "j" {
		found, closing := completeExport(ctx, sys, words)
		defer closing()
		if found.done {
			return found.exports
		}
		grammar, words, known = &proxyCommands{}, found.rest, knownWords{found.proxy}
	}
	app, _, err := sys.parser(ctx, name, grammar, proxy{})
	if err != nil {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	return candidates(asking, app.Model.Node, words, known)
}

// foundExport is how far the words of a line lead along the path of an export.
type foundExport struct {
	// exports are the candidates when done is true: no word of a command is being typed.
	exports []string
	done    bool
	// rest are the words of the command, proxy what it is for; it has no caller when no
	// exporter is there.
	rest  []string
	proxy proxy
}

// completeExport follows the path of an export. The connection lasts until closing is called.
func completeExport(ctx context.Context, sys *System, words []string) (found foundExport, closing func()) {
	line := words
	dialing, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	c, err := dial(dialing, sys)
	if err != nil {
		if len(words) == 1 {
			return foundExport{done: true}, func() {}
		}
		_, rest := splitAtCommand(words[:len(words)-1])
		return foundExport{rest: append(slices.Clone(rest), words[len(words)-1])}, func() {}
	}
	closing = func() { c.Close() }
	at := exportOf(c.Tree())
	for len(words) > 1 && at.class != client.ProxyClass {
		next := at.child(words[0])
		if next == nil {
			if !at.isGroup() {
				found.exports = completeForeign(ctx, sys, line)
			}
			found.done = true
			return found, closing
		}
		at, words = next, words[1:]
	}
	if at.class == client.ProxyClass {
		return foundExport{rest: words, proxy: proxy{at.caller}}, closing
	}
	found.done = true
	for _, child := range at.children {
		if strings.HasPrefix(child.name, words[0]) {
			found.exports = append(found.exports, child.name)
		}
	}
	if !at.isGroup() {
		for _, word := range completeForeign(ctx, sys, line) { // children among them
			if !slices.Contains(found.exports, word) {
				found.exports = append(found.exports, word)
			}
		}
	}
	return found, closing
}

// candidates follows the words before the last through the grammar and lists
// what the last can become.
func candidates(ctx context.Context, node *kong.Node, words []string, known knownWords) []string {
	last := words[len(words)-1]
	var arguments []string
	var pending *kong.Flag // waits for its value
	for _, word := range words[:len(words)-1] {
		switch {
		case pending != nil:
			pending = nil
		case word == "--":
			return []string{filesWanted}
		case strings.HasPrefix(word, "-"):
			pending = valueFlag(node, word)
		default:
			if next := command(node, word); next != nil {
				node, arguments = next, nil
			} else {
				arguments = append(arguments, word)
			}
		}
	}
	switch {
	case pending != nil:
		return known.valuesOf(ctx, pending.Value, nil, last)
	case strings.HasPrefix(last, "-"):
		return flagNames(node, last)
	}
	var found []string
	for _, child := range node.Children {
		if !child.Hidden && strings.HasPrefix(child.Name, last) {
			found = append(found, child.Name+"\t"+child.Help)
		}
	}
	if len(found) > 0 || len(node.Children) > 0 || len(node.Positional) == 0 {
		return found
	}
	at := node.Positional[min(len(arguments), len(node.Positional)-1)]
	if len(arguments) >= len(node.Positional) && !at.IsCumulative() {
		return nil
	}
	return known.valuesOf(ctx, at, arguments, last)
}

// command returns the subcommand of that name, or nil.
func command(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// valueFlag returns the flag that word names if its value is the next word.
func valueFlag(node *kong.Node, word string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			if (word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short)) && !f.IsBool() {
				return f
			}
		}
	}
	return nil
}

// flagNames lists the flags that begin with prefix. "capture -f" means the
// default subcommand, so that one's flags count too.
func flagNames(node *kong.Node, prefix string) []string {
	groups := node.AllFlags(true)
	if node.DefaultCmd != nil {
		groups = append(groups, node.DefaultCmd.Flags)
	}
	var found []string
	for _, group := range groups {
		for _, f := range group {
			if name := "--" + f.Name; strings.HasPrefix(name, prefix) {
				found = append(found, name+"\t"+f.Help)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
