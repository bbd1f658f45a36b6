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

	"starproxy/driver/rpc"
)

// chunkSize is how much of a file goes into one message: in base64 it stays
// well below gRPC's 4 MiB.
const chunkSize = 2 << 20

// chunks streams a file in base64.
func chunks(open func() (io.ReadCloser, error)) iter.Seq2[any, error] {
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

// openIn opens a regular file below dir, which the configuration names; invalid
// is the error for what clients can't have, whether or not it is there.
func (d *Driver) openIn(dir, name string, invalid error) (*os.File, error) {
	f, _, err := d.access.Owned(dir).Open(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, invalid
	}
	return f, err
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
		info, err := d.access.Owned(d.cfg.Directories.Flows).Stat(e.Name())
		if err != nil {
			continue // gone meanwhile, or not a recording
		}
		files = append(files, file{e.Name(), path, info.Size(), info.ModTime().Local().Format("2006-01-02T15:04:05")})
	}
	return rpc.JSON(files)
}

func (d *Driver) getFlowFile(_ context.Context, name string) (iter.Seq2[any, error], error) {
	return chunks(func() (io.ReadCloser, error) {
		f, err := d.openIn(d.cfg.Directories.Flows, name, rpc.Refuse(rpc.InvalidArgument, "Invalid flow file name: '%s'", name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, rpc.Refuse(rpc.Internal, "Flow file not found: %s", name)
		}
		return f, err
	}), nil
}

// getCapturedFile streams an exported file by its path in the files directory,
// or a captured body by the path that its event gives.
func (d *Driver) getCapturedFile(_ context.Context, path string) (iter.Seq2[any, error], error) {
	return chunks(func() (io.ReadCloser, error) {
		if body, err := d.journal.OpenPath(path); !errors.Is(err, fs.ErrNotExist) {
			return body, err
		}
		dir, name := d.cfg.Directories.Files, path
		if filepath.IsAbs(path) {
			for _, own := range []string{d.cfg.Directories.spool(), d.cfg.Directories.Files} {
				if rel, err := filepath.Rel(own, path); err == nil && filepath.IsLocal(rel) {
					dir, name = own, rel
					break
				}
			}
		}
		f, err := d.openIn(dir, name, rpc.Refuse(rpc.InvalidArgument, "Invalid file path: %s", path))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, rpc.Refuse(rpc.NotFound, "Captured file not found: %s", path)
		}
		return f, err
	}), nil
}
