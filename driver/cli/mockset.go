package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/builtins/jsonvalue"
	"starproxy/driver/rpc"
)

type mockSetCmd struct {
	Words []string `completion:"endpoint file" arg:"" name:"key file" help:"Key of the endpoint, such as 'GET /api/v1/status', in one word or two; then the file with its definition in YAML or JSON, - for standard input."`
}

// Help explains the file.
func (mockSetCmd) Help() string {
	return `The file has what a scenario has below the key. The endpoint answers the very next request, and takes the place of one with the same key until "mock remove" or "mock reset". Files that it refers to with "file:" or "file_template:" are uploaded first, as "mock load" does. Warnings go to standard error.

Examples:

    echo '{status: 503, headers: {Retry-After: "5"}}' | j proxy mock set 'GET /api/v1/status' -
    j proxy mock set POST /api/v1/login login.yaml`
}

// Run checks the definition and puts it in force.
func (c *mockSetCmd) Run(ctx context.Context, sys *System, p proxy) error {
	if len(c.Words) < 2 || len(c.Words) > 3 {
		return usagef("got %d words, want a key and a file, such as: mock set 'GET /a' a.yaml (see %s mock set --help)", len(c.Words),
			sys.Name)
	}
	key, file := strings.Join(c.Words[:len(c.Words)-1], " "), c.Words[len(c.Words)-1]
	text, name, err := sys.document(file)
	if err != nil {
		return err
	}
	if err := p.checkMock(ctx, sys, key, name, string(text)); err != nil {
		return err
	}
	path := file
	if file == "-" {
		path = name
	}
	if err := p.uploadCompanions(ctx, sys, filepath.Clean(path)+".yaml", underKey(key, text)); err != nil {
		return err
	}
	return p.say(ctx, sys, "put_mock", key, string(text))
}

// document returns the content of a file in YAML or JSON, and the name for its places. The
// file "-" is standard input.
func (s *System) document(file string) (text []byte, name string, err error) {
	in, name := s.Stdin, "standard input"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		in, name = f, file
	}
	text, err = io.ReadAll(io.LimitReader(in, disk.MaxDocument+1))
	if err == nil && len(text) > disk.MaxDocument {
		err = fmt.Errorf("%s: got more than %d bytes, want a document", name, disk.MaxDocument)
	}
	return text, name, err
}

// checkMock returns the mistake in the definition of an endpoint, with its place in the file
// of that name, and notes the warnings about one that is right.
func (p proxy) checkMock(ctx context.Context, sys *System, key, name, text string) error {
	var checked struct {
		rpc.Mistake
		Warnings []string `json:"warnings"`
	}
	err := p.document(ctx, &checked, "check_mock", key, text)
	switch {
	case unknownMethod(err):
		return nil // put_mock tells the mistake, too
	case err != nil:
		return err
	case checked.Error != "" && checked.Line > 0:
		return fmt.Errorf("%s:%d:%d: %s", name, checked.Line, checked.Column, checked.Error)
	case checked.Error != "":
		return fmt.Errorf("%s: %s", name, checked.Error)
	}
	for _, w := range checked.Warnings {
		sys.note("warning: %s:%s", name, w)
	}
	return nil
}

// underKey returns a scenario of one endpoint with a definition in YAML or JSON.
func underKey(key string, definition []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "endpoints:\n  %s:\n", jsonvalue.AppendText(nil, key))
	for line := range bytes.Lines(definition) {
		b.WriteString("    ")
		b.Write(line)
	}
	return b.Bytes()
}
