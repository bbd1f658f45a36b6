package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"

	"starproxy/builtins/disk"
)

// progress makes a bar on standard error, if that is a terminal, for size bytes (-1
// if unknown). Close removes the bar.
func (s *System) progress(what string, size int64) io.WriteCloser {
	if !terminal(s.Stderr) {
		return noBar{}
	}
	return progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(s.Stderr),
		progressbar.OptionSetDescription("  "+what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}

// noBar shows no progress.
type noBar struct{}

func (noBar) Write(p []byte) (int, error) { return len(p), nil }
func (noBar) Close() error                { return nil }

// download writes what a streaming method sends in base64 pieces to w.
func (p proxy) download(ctx context.Context, w io.Writer, method string, args ...any) error {
	for piece, err := range p.strings(ctx, method, args...) {
		if err != nil {
			return err
		}
		data, err := base64.StdEncoding.DecodeString(piece)
		if err != nil {
			return fmt.Errorf("%s: the exporter sent something else than base64: %w", method, err)
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// The modes of files that commands write.
const (
	private fs.FileMode = 0o600 // captured traffic has passwords and tokens in it
	public  fs.FileMode = 0o644
)

// saveFile writes a file that appears under its name only when fill was
// successful. Whatever else than a regular file stands there (a pipe, a device)
// is written to in place. What holds captured traffic has the mode private.
func saveFile(name string, mode fs.FileMode, fill func(io.Writer) error) error {
	if st, err := os.Stat(name); err == nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := fill(f); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	} else if err == nil {
		// Through a link, the file it points to is the one to replace.
		name = resolved(name)
	}
	return disk.Replace(name, mode, fill)
}

// resolved returns the absolute form of a path, symbolic links followed.
func resolved(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real
	}
	return abs
}
