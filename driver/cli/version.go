package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// Run prints the version, the toolchain and the licence.
func (c *versionCmd) Run(sys *System) error {
	sys.out("starproxy %s (%s %s/%s)", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	sys.out("Source: Apache-2.0. This binary links gomitmproxy and is distributed under GPL-3.0.")
	return nil
}

// version is the module's version as the build recorded it, for a build from a
// checkout the commit, for one without either "devel".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var commit, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if commit == "" {
		return "devel"
	}
	return fmt.Sprintf("devel-%s%s", commit, dirty)
}
