package part

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// limitMemory starts the process in a control group (version 2) of its own with
// that much memory, where this process may make one. Where it may not, nothing
// is done: the host bounds itself by a resource limit.
func limitMemory(cmd *exec.Cmd, limit uint64) (free func()) {
	if limit == 0 {
		return nil
	}
	dir, err := makeGroup(limit)
	if err != nil {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		os.Remove(dir)
		return nil
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(f.Fd())
	return func() {
		f.Close()
		os.Remove(dir)
	}
}

// makeGroup makes a control group below that of this process.
func makeGroup(limit uint64) (string, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	_, own, ok := strings.Cut(strings.TrimSpace(string(data)), "0::")
	if !ok {
		return "", fmt.Errorf("no control groups of version 2")
	}
	parent := filepath.Join("/sys/fs/cgroup", own)
	var fs unix.Statfs_t
	if err := unix.Statfs(parent, &fs); err != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return "", fmt.Errorf("%s: no control groups of version 2", parent)
	}
	dir, err := os.MkdirTemp(parent, "starproxy-")
	if err != nil {
		return "", err
	}
	for file, text := range map[string]string{"memory.max": strconv.FormatUint(limit, 10), "memory.swap.max": "0"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0); err != nil && file == "memory.max" {
			os.Remove(dir)
			return "", err
		}
	}
	return dir, nil
}
