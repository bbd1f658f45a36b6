package cli

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// The stamps of a release, which its build sets:
//
//	go build -ldflags "-X starproxy/driver/cli.stampVersion=v1.2.0 -X starproxy/driver/cli.stampCommit=…"
//
// The linker sets variables only. Nothing else changes these. Without them the
// build tells what it knows of the checkout or the module.
var stampVersion, stampCommit, stampDate string

type versionCmd struct{ output }

// Run prints the version, the toolchain, the commit and the licence.
func (c *versionCmd) Run(sys *System) error {
	if c.json() {
		return sys.tell(map[string]string{
			"version": version(), "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH,
			"commit": commit(), "date": date(),
		})
	}
	sys.out("starproxy %s (%s %s/%s)", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if c := commit(); c != "" {
		sys.out("Commit %s, %s", c, cmp.Or(date(), "date unknown"))
	}
	sys.out("Source: Apache-2.0. This binary links gomitmproxy and is distributed under GPL-3.0.")
	return nil
}

// version returns the stamped version, or the module's as the build recorded
// it, for a build from a checkout the commit, for one without either "devel".
func version() string {
	if stampVersion != "" {
		return stampVersion
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	id := commit()
	if id == "" {
		return "devel"
	}
	if setting("vcs.modified") == "true" {
		return "devel-" + id[:min(12, len(id))] + "+dirty"
	}
	return "devel-" + id[:min(12, len(id))]
}

// commit returns the commit that the program was built from, empty when not
// known.
func commit() string { return cmp.Or(stampCommit, setting("vcs.revision")) }

// date returns that of the commit, or that of the build, as RFC 3339 has it;
// empty when not known.
func date() string { return cmp.Or(stampDate, setting("vcs.time")) }

// setting returns the value that the build recorded for a key.
func setting(key string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
