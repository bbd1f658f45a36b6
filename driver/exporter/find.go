package exporter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// systemDir holds the exporter files that every user of a machine can name.
const systemDir = "/etc/jumpstarter/exporters"

// Find returns the path of the exporter file called name: NAME.yaml in the
// user's folder, else in /etc/jumpstarter/exporters. The user's folder is
// exporters under $JMP_CLIENT_CONFIG_HOME, else under
// $XDG_CONFIG_HOME/jumpstarter, else under ~/.config/jumpstarter.
func Find(name string) (string, error) {
	user, err := userDir()
	if err != nil {
		return "", fmt.Errorf("find exporter %q: %w", name, err)
	}
	return findIn(name, user, systemDir)
}

func findIn(name string, dirs ...string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return "", fmt.Errorf("exporter name %q is not valid: expected a plain file name without .yaml", name)
	}
	tried := make([]string, 0, len(dirs))
	for _, dir := range dirs {
		path := filepath.Join(dir, name+".yaml")
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find exporter %q: %w", name, err)
		}
		tried = append(tried, path)
	}
	return "", fmt.Errorf("exporter %q not found: neither %s exists", name, strings.Join(tried, " nor "))
}

func userDir() (string, error) {
	if dir := os.Getenv("JMP_CLIENT_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "exporters"), nil
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "jumpstarter", "exporters"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".config", "jumpstarter", "exporters"), nil
}

// Names returns the names of the exporter files that [Find] finds, sorted.
func Names() []string {
	dirs := []string{systemDir}
	if user, err := userDir(); err == nil {
		dirs = append(dirs, user)
	}
	return namesIn(dirs...)
}

func namesIn(dirs ...string) []string {
	var names []string
	for _, dir := range dirs {
		files, _ := os.ReadDir(dir) // a directory that is not there has none
		for _, f := range files {
			if name, yaml := strings.CutSuffix(f.Name(), ".yaml"); yaml && !f.IsDir() && name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
