package driver

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"starproxy/builtins/disk"
	"starproxy/builtins/follow"
	"starproxy/driver/access"
	"starproxy/driver/rpc"
)

const (
	// uploadIdle is the longest time between two parts of a file.
	uploadIdle = 2 * time.Minute
	// maxUploads bounds the files that are received in parts at one time.
	maxUploads = 64
)

// errUploadPath says that a path is not in the directory, or leads out of it through a
// symbolic link.
var errUploadPath = errors.New("invalid file path")

// errDriverClosed is the refusal of a call after Close.
var errDriverClosed error = rpc.Refuse(rpc.FailedPrecondition, "the driver is closed")

// incoming is a file that is being received. It appears under its name in one step,
// so that a device that downloads the old file gets all of it.
type incoming struct {
	root *os.Root
	part *disk.Part
	path string
	size int64
}

// receive begins to receive a file for a path below the directory.
func (u *uploads) receive(path string) (*incoming, error) {
	if path == "" || !filepath.IsLocal(path) || filepath.Clean(path) == "." || strings.HasSuffix(path, "/") ||
		strings.Contains(path, "\x00") {
		return nil, errUploadPath
	}
	if !u.access.Writable(u.dir, path) {
		return nil, errUploadPath
	}
	if err := os.MkdirAll(u.dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(u.dir)
	if err != nil {
		return nil, err
	}
	in := &incoming{root: root, path: path}
	if err := in.open(u.mode); err != nil {
		root.Close()
		return nil, escape(err)
	}
	return in, nil
}

func (in *incoming) open(mode fs.FileMode) (err error) {
	if info, err := in.root.Stat(in.path); err == nil && info.IsDir() {
		return errUploadPath
	}
	dir := filepath.Dir(in.path)
	if err := in.root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	disk.SweepParts(in.root, dir)
	in.part, err = disk.CreatePartIn(in.root, in.path, mode)
	return err
}

func (in *incoming) write(data []byte) error {
	n, err := in.part.Write(data)
	in.size += int64(n)
	return err
}

// commit puts the file in place. It is over then, also when commit fails.
func (in *incoming) commit() error {
	defer in.root.Close()
	return escape(in.part.Commit())
}

// discard removes the file.
func (in *incoming) discard() {
	in.part.Discard()
	in.root.Close()
}

// escape makes an errUploadPath of the error of os.Root for a path that leads out of
// the root. That error has no value of its own.
func escape(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && strings.Contains(pe.Err.Error(), "escapes") {
		return fmt.Errorf("%w: %w", errUploadPath, err)
	}
	return err
}

// mockFiles are the files that mocks serve, as clients put them into the files
// directory.
type mockFiles struct{ *uploads }

func (f mockFiles) rows() []rpc.Row {
	return []rpc.Row{
		rpc.New("upload_mock_file", "Put a file, given in base64, into the files directory.", f.upload,
			rpc.Need("relative_path"), rpc.Need("content_base64")),
		rpc.New("upload_mock_file_part", "Put a file of any size into the files directory, part by part in order; the caller "+
			"chooses the id.", f.uploadPart,
			rpc.Need("relative_path"), rpc.Need("upload_id"), rpc.Need("offset"), rpc.Need("content_base64"), rpc.With("last", false)),
	}
}

func (f mockFiles) upload(_ context.Context, path, content string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(content)
	if err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "upload_mock_file: argument content_base64: %v", err)
	}
	in, err := f.receive(path)
	if err == nil {
		if err = in.write(data); err == nil {
			err = in.commit()
		} else {
			in.discard()
		}
	}
	switch {
	case errors.Is(err, errUploadPath):
		return "", asResult(badFilePath(path))
	case err != nil:
		return "", fmt.Errorf("upload_mock_file: %w", err)
	}
	return uploaded(path, int64(len(data))), nil
}

func uploaded(path string, size int64) string {
	return fmt.Sprintf(sayUploaded, path, size)
}

// uploads are the files that come in parts, by the ids that callers gave them.
type uploads struct {
	dir    string
	access *access.Policy
	mode   fs.FileMode // of the files

	// changed announces each file that is put in place.
	changed follow.Notice

	mu     sync.Mutex
	files  map[string]*upload
	closed bool
}

// upload is a file of which parts have come.
type upload struct {
	*incoming
	last time.Time // when the latest part came
	idle *time.Timer
}

func newUploads(dir string, p *access.Policy, mode fs.FileMode) *uploads {
	return &uploads{dir: dir, access: p, mode: mode, files: map[string]*upload{}}
}

// close discards the files that are not whole.
func (u *uploads) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for id := range u.files {
		u.drop(id).discard()
	}
}

// drop forgets an upload; the caller, who holds mu, ends its file.
func (u *uploads) drop(id string) *upload {
	up := u.files[id]
	up.idle.Stop()
	delete(u.files, id)
	return up
}

// expire discards an upload that has had no part for uploadIdle.
func (u *uploads) expire(id string, up *upload) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.files[id] == up && time.Since(up.last) >= uploadIdle {
		u.drop(id).discard()
	}
}

// begin makes an upload whose first part is about to be written.
func (u *uploads) begin(id, path string) (*upload, error) {
	if u.closed {
		return nil, errDriverClosed
	}
	if len(u.files) == maxUploads {
		return nil, rpc.Refuse(rpc.FailedPrecondition, "%d other files are being uploaded, which is the most", maxUploads)
	}
	in, err := u.receive(path)
	if err != nil {
		return nil, err
	}
	up := &upload{incoming: in}
	up.idle = time.AfterFunc(uploadIdle, func() { u.expire(id, up) })
	u.files[id] = up
	return up, nil
}

// add writes a part and returns the size of the file so far.
func (u *uploads) add(id, path string, offset int64, data []byte, last bool) (int64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up, under := u.files[id]
	var size int64
	if under {
		size = up.size
		if up.path != path {
			return 0, rpc.Refuse(rpc.InvalidArgument, "argument relative_path: got %q, want %q as in the parts before", path, up.path)
		}
	}
	if offset != size {
		return 0, rpc.Refuse(rpc.InvalidArgument, "argument offset: got %d, want %d", offset, size)
	}
	if !under {
		var err error
		if up, err = u.begin(id, path); err != nil {
			return 0, err
		}
	}
	if err := up.write(data); err != nil {
		u.drop(id).discard()
		return 0, err
	}
	if last {
		defer u.changed.Notify()
		return up.size, u.drop(id).commit()
	}
	up.last = time.Now()
	up.idle.Reset(uploadIdle)
	return up.size, nil
}

func (f mockFiles) uploadPart(_ context.Context, path, id string, offset int, content string, last bool) (string, error) {
	return f.part("upload_mock_file_part", path, id, offset, content, last)
}

// part serves a method that receives a part of a file.
func (u *uploads) part(method, path, id string, offset int, content string, last bool) (string, error) {
	data, err := base64.StdEncoding.DecodeString(content)
	if err != nil {
		return "", rpc.Refuse(rpc.InvalidArgument, "%s: argument content_base64: %v", method, err)
	}
	size, err := u.add(id, path, int64(offset), data, last)
	var own *rpc.Refusal
	switch {
	case errors.Is(err, errUploadPath):
		return "", badFilePath(path)
	case err == errDriverClosed:
		return "", err
	case errors.As(err, &own):
		return "", rpc.Refuse(own.Code, "%s: %s", method, own.Text)
	case err != nil:
		return "", fmt.Errorf("%s: %w", method, err)
	case last:
		return uploaded(path, size), nil
	}
	return fmt.Sprintf(sayReceived, path, size), nil
}
