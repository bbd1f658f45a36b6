package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Replace writes a file through fill and puts it at path in one step, in place of
// the file that is there. When anything fails, because the disk is full for
// instance, path is unchanged and nothing is left beside it. A symbolic link at
// path is replaced, not followed. mode is limited by the umask.
func Replace(path string, mode fs.FileMode, fill func(io.Writer) error) error {
	p, err := CreatePart(path, mode)
	return replace(p, err, fill)
}

// ReplaceIn is [Replace] for a name below root, whose directory is there.
func ReplaceIn(root *os.Root, name string, mode fs.FileMode, fill func(io.Writer) error) error {
	p, err := CreatePartIn(root, name, mode)
	return replace(p, err, fill)
}

func replace(p *Part, err error, fill func(io.Writer) error) error {
	if err != nil {
		return err
	}
	if err := fill(p); err != nil {
		p.Discard()
		return err
	}
	return p.Commit()
}

// Bytes fills a file with data, for [Replace].
func Bytes(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// CreateNew puts a file with data at path in one step. A file that is there already
// stays. Of two processes that do so at the same time one wins, on file systems
// without hard links too. When it fails, nothing is left at path or beside it.
func CreateNew(path string, mode fs.FileMode, data []byte) error {
	return createNew(anywhere{}, path, mode, data)
}

func createNew(in tree, path string, mode fs.FileMode, data []byte) error {
	p, err := createPart(in, path, mode)
	if err != nil {
		return err
	}
	defer p.Discard()
	if _, err := p.Write(data); err != nil {
		return err
	}
	if err := p.CommitNew(path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// linkless reports whether a hard link failed because the file system has none. FAT
// returns EPERM, network file systems return one of the others.
func linkless(err error) bool {
	for _, e := range []error{syscall.EPERM, syscall.ENOTSUP, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EMLINK, syscall.EXDEV,
		syscall.EINVAL, syscall.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
