package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks is the number of symbolic links that are followed on the way to one file, as on
// Linux.
const maxLinks = 40

// trail has every directory, link and file on the way to some files. The files can only
// change when one of these changes.
type trail struct {
	steps []step
	index map[string]int // of steps, by path
	names map[string]bool
}

// step is one entry of a directory.
type step struct {
	path string      // without links, but for its last element
	info fs.FileInfo // of the entry itself; nil when there is none
	end  bool        // it is one of the files
}

// newTrail reads the way to each file. For a file that does not exist, the way ends at the
// first entry that is missing.
func newTrail(files []string) *trail {
	t := &trail{index: map[string]int{}, names: map[string]bool{}}
	for _, f := range files {
		t.follow(f)
	}
	return t
}

// follow reads the way to a file as the system does: a relative path begins at the working
// directory, and ".." is the parent of the directory that a link leads to.
func (t *trail) follow(file string) {
	at, rest := t.begin(file, ".")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			at = t.enter(filepath.Join(at, name))
			continue
		}
		s := t.add(filepath.Join(at, name), name)
		switch {
		case s.info == nil:
			return
		case s.info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(s.path)
			if links++; err != nil || links > maxLinks {
				return
			}
			var more []string
			at, more = t.begin(to, at)
			rest = slices.Concat(more, rest)
		case s.info.IsDir():
			at = s.path
		default:
			s.end = len(rest) == 0
			return
		}
	}
}

// begin returns where a path begins, which is base unless it is absolute, and
// the names that lead on from there.
func (t *trail) begin(path, base string) (at string, names []string) {
	if filepath.IsAbs(path) {
		volume := filepath.VolumeName(path)
		base, path = volume+string(filepath.Separator), path[len(volume):]
	}
	return t.enter(base), strings.Split(filepath.ToSlash(path), "/")
}

// enter adds a directory at which a path begins.
func (t *trail) enter(dir string) string {
	t.add(dir, "")
	return dir
}

// add adds an entry.
func (t *trail) add(path, name string) *step {
	i, known := t.index[path]
	if !known {
		i = len(t.steps)
		t.index[path] = i
		s := step{path: path}
		if info, err := os.Lstat(path); err == nil {
			s.info = info
		}
		t.steps = append(t.steps, s)
	}
	if name != "" {
		t.names[name] = true
	}
	return &t.steps[i]
}

// concerns reports whether a change at path can change the trail. path is a directory on
// the trail, or an entry of one. Only the last name counts, because a directory can have
// several paths.
func (t *trail) concerns(path string) bool { return t.names[filepath.Base(path)] }

// watched returns the steps whose events are needed: directories, for changes of their
// entries, and the files, which can be written through another path.
func (t *trail) watched() []step {
	return slices.DeleteFunc(slices.Clone(t.steps), func(s step) bool {
		return s.info == nil || !s.info.IsDir() && !s.end
	})
}

// sameWatched reports whether a and b need the same events.
func sameWatched(a, b []step) bool {
	return slices.EqualFunc(a, b, func(a, b step) bool { return a.path == b.path && os.SameFile(a.info, b.info) })
}

// equal reports whether t and o are the same. The content of the files is not read.
func (t *trail) equal(o *trail) bool {
	return slices.EqualFunc(t.steps, o.steps, func(a, b step) bool {
		switch {
		case a.path != b.path || (a.info == nil) != (b.info == nil):
			return false
		case a.info == nil:
			return true
		case !os.SameFile(a.info, b.info) || a.info.Mode() != b.info.Mode():
			return false
		}
		// The time of a directory changes with entries that are not on the trail.
		return a.info.IsDir() || a.info.Size() == b.info.Size() && a.info.ModTime().Equal(b.info.ModTime())
	})
}

// refresh opens and closes the files, so that a network file system asks its server for
// their present state.
func (t *trail) refresh() {
	for i := range t.steps {
		if s := &t.steps[i]; s.end {
			if f, info, err := Open(s.path); err == nil {
				s.info = info
				f.Close()
			}
		}
	}
}
