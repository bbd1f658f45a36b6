package driver

import (
	"fmt"
	"os"
	"path/filepath"

	"starproxy/builtins/disk"
)

// Directories are where the driver keeps and looks for files.
type Directories struct {
	// The parent of those below that are not set. Default
	// /opt/jumpstarter/mitmproxy where that exists and can be written, else
	// $XDG_DATA_HOME/starproxy, which is ~/.local/share/starproxy by default.
	Data string `yaml:"data"`
	// The certificate authority. Default {data}/conf.
	Conf string `yaml:"conf"`
	// Recorded flow files. Default {data}/flows.
	Flows string `yaml:"flows"`
	// Addon scripts. Default {data}/addons.
	Addons string `yaml:"addons"`
	// Scenario files. Default {data}/mock-responses.
	Mocks string `yaml:"mocks"`
	// Files that mocks serve, uploads and exports. Default {data}/mock-files.
	Files string `yaml:"files"`
}

// resolve fills in the directories that are not set and makes all paths absolute.
func (d *Directories) resolve() error {
	if d.Data == "" {
		var err error
		if d.Data, err = defaultData(os.Getenv); err != nil {
			return fmt.Errorf("directories.data: %w", err)
		}
	}
	for _, dir := range d.parts() {
		if *dir.path == "" {
			*dir.path = filepath.Join(d.Data, dir.name)
		}
		// Paths are shown to clients, which have another working directory.
		abs, err := filepath.Abs(*dir.path)
		if err != nil {
			return fmt.Errorf("directories: %w", err)
		}
		*dir.path = abs
	}
	return nil
}

// Anchor makes relative paths absolute, from the directory of file, the exporter
// file that has them. A file that is a pipe has no directory: they are taken
// from the working directory then. The remarks tell of directories that exist
// in the working directory alone, where the stock exporter looks for them.
func (d *Directories) Anchor(file string) (remarks []string, err error) {
	for _, dir := range d.parts() {
		path := *dir.path
		if path == "" || filepath.IsAbs(path) {
			continue
		}
		if *dir.path, err = anchored(file, path); err != nil {
			return nil, fmt.Errorf("directories.%s: %w", dir.key, err)
		}
		if here, err := filepath.Abs(path); err == nil && exists(here) && !exists(*dir.path) {
			remarks = append(remarks, fmt.Sprintf("directories.%s: %s is relative to the exporter file: %s is used, and %s is not",
				dir.key, path, *dir.path, here))
		}
	}
	return remarks, nil
}

// anchored returns a path that is relative to the directory of file, see Anchor.
func anchored(file, path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		file = ""
	}
	return filepath.Abs(filepath.Join(filepath.Dir(file), path))
}

// directory is one of the directories: its key, and its name below that of the
// data.
type directory struct {
	path      *string
	key, name string
}

func (d *Directories) parts() []directory {
	return []directory{{&d.Data, "data", ""}, {&d.Conf, "conf", "conf"}, {&d.Flows, "flows", "flows"},
		{&d.Addons, "addons", "addons"}, {&d.Mocks, "mocks", "mock-responses"}, {&d.Files, "files", "mock-files"}}
}

// stockData is the data directory of the stock driver.
const stockData = "/opt/jumpstarter/mitmproxy"

// defaultData returns the data directory when none is configured: that of the stock
// driver, if it exists and can be written, else the user's.
func defaultData(getenv func(string) string) (string, error) {
	if exists(stockData) && disk.CanMake(stockData) == nil {
		return stockData, nil
	}
	return UserData(getenv)
}

// UserData returns starproxy's directory below the user's XDG data directory.
func UserData(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "starproxy"), nil
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "starproxy"), nil
	}
	return "", fmt.Errorf("no directory for data: neither XDG_DATA_HOME nor HOME is set")
}

// spool returns the directory of captured bodies.
func (d *Directories) spool() string { return filepath.Join(d.Data, "capture-spool") }

// exists reports whether there is a file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
