package bundle

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestWriterHashesFiles(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b, err := Create(&out, 0, Manifest{Mode: "mock", Seed: new(uint64)})
	if err != nil {
		t.Fatal(err)
	}
	dir := b.Dir()
	for _, step := range []error{
		b.Text(Readme, "read me\n"),
		b.Text(Replay, "#!/bin/sh\n"),
		b.JSON(Status, map[string]any{"mode": "<mock>"}),
		b.Add(File{Name: "scenario/a.yaml", From: "/mocks/a.yaml", Original: "00"}, func(w io.Writer) error {
			_, err := io.WriteString(w, "endpoints: {}\n")
			return err
		}),
		b.Add(File{Name: PCAPNG}, func(io.Writer) error { return errors.New("no packets today") }),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	m, err := b.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory after Close: got %v, want none", err)
	}
	r, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{}
	for _, file := range r.File {
		in, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		content[file.Name] = string(data)
		if exec := file.Mode()&0o111 != 0; exec != (file.Name == Replay) {
			t.Errorf("%s: got mode %v", file.Name, file.Mode())
		}
	}
	for _, file := range m.Files {
		sum := sha256.Sum256([]byte(content[file.Name]))
		if file.SHA256 != hex.EncodeToString(sum[:]) || file.Size != int64(len(content[file.Name])) {
			t.Errorf("%s: got size %d and hash %s of %q", file.Name, file.Size, file.SHA256, content[file.Name])
		}
	}
	if len(m.Files) != 4 || len(content) != 5 {
		t.Errorf("files: got %d in the manifest and %d in the archive, want 4 and 5", len(m.Files), len(content))
	}
	if !strings.Contains(content[Status], "<mock>") {
		t.Errorf("%s: got %s, want the text as it is", Status, content[Status])
	}
	var read Manifest
	if err := json.Unmarshal([]byte(content[Manifests]), &read); err != nil {
		t.Fatal(err)
	}
	if len(read.LeftOut) != 1 || read.LeftOut[0] != (LeftOut{PCAPNG, "no packets today"}) || read.Seed == nil || read.Mode != "mock" || read.Format != Format {
		t.Errorf("manifest: got %+v", read)
	}
}

func TestWriterKeepsToItsSize(t *testing.T) {
	t.Parallel()
	const limit = spare + 100_000
	noise := make([]byte, 60_000)
	for f := range sample(1, len(noise)) {
		copy(noise, f.Response.Body.Data)
	}
	var out bytes.Buffer
	b, err := Create(&out, limit, Manifest{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Abort()
	for _, name := range []string{"first", "second", "third"} {
		if err := b.Add(File{Name: name}, func(w io.Writer) error {
			_, err := w.Write(noise[:len(noise)-len(name)])
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Text("small", "it fits"); err != nil {
		t.Fatal(err)
	}
	for range 2 * maxLeftOut {
		b.LeaveOut(strings.Repeat("x", 10_000), strings.Repeat("y", 10_000))
	}
	m, err := b.Close()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != 2 || m.Files[0].Name != "first" || m.Files[1].Name != "small" {
		t.Errorf("files: got %+v, want the first and the small one", m.Files)
	}
	if out.Len() > limit {
		t.Errorf("size: got %d bytes, want at most %d", out.Len(), limit)
	}
	if want := "it does not fit into the size of the bundle"; !strings.Contains(m.LeftOut[0].Reason, want) {
		t.Errorf("left out: got %+v, want %q", m.LeftOut[0], want)
	}
	if last := m.LeftOut[len(m.LeftOut)-1]; last.Part != "1002 more" {
		t.Errorf("last part left out: got %+v, want the number of others", last)
	}
}
