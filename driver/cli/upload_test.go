package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"starproxy/driver"
	"starproxy/driver/client"
	"starproxy/driver/exporter"
)

// store takes uploads as an exporter does: ours, or a Python one.
type store struct {
	fake
	python bool
	got    bytes.Buffer
	parts  int
}

func (s *store) Call(_ context.Context, method string, args ...any) (any, error) {
	content := func(i int) int {
		data, err := base64.StdEncoding.DecodeString(args[i].(string))
		if err != nil {
			panic(err)
		}
		s.got.Write(data)
		return len(data)
	}
	switch {
	case method == "upload_mock_file":
		return fmt.Sprintf("Uploaded: a.bin (%d bytes)", content(1)), nil
	case s.python:
		return nil, &client.Error{Code: codes.NotFound, Message: "method " + method + " not found on driver"}
	}
	if args[2] != s.got.Len() {
		return nil, fmt.Errorf("offset %v after %d bytes", args[2], s.got.Len())
	}
	s.parts++
	if n := content(3); n == 0 || n > partSize {
		return nil, fmt.Errorf("a part of %d bytes", n)
	}
	if args[4] == true {
		return "Uploaded: a.bin", nil
	}
	return "Received: a.bin", nil
}

func TestUpload(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		size   int
		python bool
		parts  int
	}{
		{0, false, 0},
		{10, true, 0},
		{partSize, false, 0},
		{partSize + 1, false, 2},
		{2 * partSize, false, 2},
		{2*partSize + 10, false, 3},
		{2*partSize + 10, true, 0},
	} {
		t.Run(fmt.Sprintf("%d bytes, python %t", tt.size, tt.python), func(t *testing.T) {
			t.Parallel()
			data := make([]byte, tt.size)
			rand.Read(data)
			name := filepath.Join(t.TempDir(), "a.bin")
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			s := &store{python: tt.python}
			if err := (proxy{s}).upload(t.Context(), &newConsole().System, "a.bin", name); err != nil {
				t.Fatal(err)
			}
			if s.parts != tt.parts || !bytes.Equal(s.got.Bytes(), data) {
				t.Errorf("got %d bytes in %d parts, want %d in %d", s.got.Len(), s.parts, tt.size, tt.parts)
			}
		})
	}
}

// A file that no message could hold goes through the real method too.
func TestUploadToDriver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := filepath.Join(dir, "large.bin")
	if err := os.WriteFile(large, bytes.Repeat([]byte("firmware"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := driver.DefaultConfig()
	cfg.Directories.Data = dir
	b := &bench{}
	var err error
	b.Session, err = exporter.Open(&exporter.Config{Export: []*exporter.Node{{Name: "proxy", Driver: &cfg}}}, exporter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.serve(t.Context(), filepath.Join(dir, "s")); err != nil {
		t.Fatal(err)
	}
	p, err := b.proxy("proxy")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.upload(t.Context(), &newConsole().System, "fw/large.bin", large); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "mock-files", "fw", "large.bin")); err != nil || len(got) != 8<<20 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	err = p.upload(t.Context(), &newConsole().System, "../large.bin", large)
	if err == nil || !strings.Contains(err.Error(), "Invalid file path: ../large.bin") {
		t.Error(err)
	}
}
