package driver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"starproxy/builtins/disk"
	"starproxy/driver/access"
	"starproxy/driver/rpc"
)

// recordings are the recorded flow files that clients list, get, put and replay.
type recordings struct {
	dir     string
	named   []string // absolute paths outside of dir that the configuration names
	access  *access.Policy
	uploads *uploads // into dir
	log     *slog.Logger
}

func newRecordings(cfg *Config, p *access.Policy, log *slog.Logger) *recordings {
	dir := cfg.Directories.Flows
	return &recordings{dir: dir, named: cfg.Named, access: p, uploads: newUploads(dir, p, 0o600), log: log}
}

func (r *recordings) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("list_flow_files", "List the recorded flow files as a JSON array.", r.list),
		rpc.New("get_flow_file", "Stream a recorded flow file in base64.", r.get, rpc.Need("name")),
		rpc.New("upload_flow_file_part", "Put a recording of any size into the flows directory, part by part in order; the "+
			"caller chooses the id.", r.upload,
			rpc.Need("name"), rpc.Need("upload_id"), rpc.Need("offset"), rpc.Need("content_base64"), rpc.With("last", false)),
	}
}

// recording is a flow file as list_flow_files has it.
type recording struct {
	Name     string `json:"name"`
	Path     string `json:"path"`
	Size     int64  `json:"size_bytes"`
	Modified string `json:"modified"`
}

func (r *recordings) list(context.Context) ([]recording, error) {
	files := []recording{}
	entries, err := os.ReadDir(r.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(r.dir, e.Name())
		if !isRecording(e.Name()) {
			continue
		}
		info, err := r.access.Owned(r.dir).Stat(e.Name())
		if err != nil {
			continue // gone meanwhile, or not a recording
		}
		files = append(files, recording{e.Name(), path, info.Size(), info.ModTime().Local().Format("2006-01-02T15:04:05")})
	}
	return files, nil
}

func (r *recordings) get(_ context.Context, name string) (iter.Seq2[any, error], error) {
	return chunks(func() (io.ReadCloser, error) {
		f, err := openIn(r.access, r.dir, name, badFlowName(name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, noFlowFile(name)
		}
		return f, err
	}), nil
}

// file returns the path of the recording that a caller names. It reports whether
// there is one that the caller may have.
func (r *recordings) file(name string) (path string, ok bool) {
	path = name
	if !filepath.IsAbs(name) {
		path = filepath.Join(r.dir, name)
	}
	if slices.Contains(r.named, filepath.Clean(path)) {
		_, err := os.Stat(path)
		return path, err == nil
	}
	_, err := r.access.Resolve(path)
	if errors.Is(err, access.ErrOutside) {
		r.log.Warn("recording not replayed: its path lies outside of the directories of the configuration", "path", path)
	}
	return path, err == nil || errors.As(err, new(disk.KindError)) // to open it then fails with the reason
}

// isRecording reports whether a file has a name that a recording can have.
func isRecording(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".bin", ".flow", ".flows", ".mitm", ".har":
		return true
	}
	return false
}

func (r *recordings) upload(_ context.Context, name, id string, offset int, content string, last bool) (string, error) {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") || !isRecording(name) {
		return "", notRecording(name)
	}
	return r.uploads.part("upload_flow_file_part", name, id, offset, content, last)
}
