package driver

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"starproxy/builtins/disk"
)

// chunkSize is how much of a file goes into one message: in base64 it stays
// well below gRPC's 4 MiB.
const chunkSize = 2 << 20

// chunks streams a file in base64.
func chunks(open func() (*os.File, error)) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		f, err := open()
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		buf := make([]byte, chunkSize)
		for {
			n, err := io.ReadFull(f, buf)
			if n > 0 && !yield(base64.StdEncoding.EncodeToString(buf[:n]), nil) {
				return
			}
			switch err {
			case nil:
			case io.EOF, io.ErrUnexpectedEOF:
				return
			default:
				yield(nil, err)
				return
			}
		}
	}
}

// openIn opens a regular file below dir; a name that leads out of it, or to
// something else, is not local.
func openIn(dir, name string) (f *os.File, local bool, err error) {
	if !filepath.IsLocal(name) {
		return nil, false, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, true, err
	}
	defer root.Close()
	f, _, err = disk.OpenIn(root, name)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return f, true, err
	}
	return nil, false, nil
}

func (d *Driver) listFlowFiles(context.Context) (string, error) {
	type file struct {
		Name     string `json:"name"`
		Path     string `json:"path"`
		Size     int64  `json:"size_bytes"`
		Modified string `json:"modified"`
	}
	files := []file{}
	entries, err := os.ReadDir(d.cfg.Directories.Flows)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, e := range entries {
		path := filepath.Join(d.cfg.Directories.Flows, e.Name())
		if !isRecording(e.Name()) {
			continue
		}
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or not a recording
		}
		files = append(files, file{e.Name(), path, info.Size(), info.ModTime().Local().Format("2006-01-02T15:04:05")})
	}
	return toJSON(files)
}

func (d *Driver) getFlowFile(_ context.Context, name string) (iter.Seq2[any, error], error) {
	return chunks(func() (*os.File, error) {
		f, local, err := openIn(d.cfg.Directories.Flows, name)
		switch {
		case !local:
			return nil, errorf(InvalidArgument, "Invalid flow file name: '%s'", name)
		case errors.Is(err, fs.ErrNotExist):
			return nil, errorf(Internal, "Flow file not found: %s", name)
		}
		return f, err
	}), nil
}

// getCapturedFile streams an exported file by its path in the files directory,
// or a captured body by the path that its event gives.
func (d *Driver) getCapturedFile(_ context.Context, path string) (iter.Seq2[any, error], error) {
	return chunks(func() (*os.File, error) {
		dir, name := d.cfg.Directories.Files, path
		if filepath.IsAbs(path) {
			for _, own := range []string{d.cfg.Directories.spool(), d.cfg.Directories.Files} {
				if rel, err := filepath.Rel(own, path); err == nil && filepath.IsLocal(rel) {
					dir, name = own, rel
					break
				}
			}
		}
		f, local, err := openIn(dir, name)
		switch {
		case !local:
			return nil, errorf(InvalidArgument, "Invalid file path: %s", path)
		case errors.Is(err, fs.ErrNotExist):
			return nil, errorf(NotFound, "Captured file not found: %s", path)
		}
		return f, err
	}), nil
}

func (d *Driver) listAddons(context.Context) (string, error) {
	names, err := d.addonNames()
	if err != nil {
		return "", err
	}
	return toJSON(names)
}

// addonNames are the names of the scripts in the addons directory.
func (d *Driver) addonNames() ([]string, error) {
	names := []string{}
	entries, err := os.ReadDir(d.cfg.Directories.Addons)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), ".star"); ok && !e.IsDir() && !strings.HasPrefix(stem, "_") {
			names = append(names, stem)
		}
	}
	return names, nil
}
