package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says what each package may import of ours. They run downwards only:
// who wants another one asks first whether the code stands in the right place.
var arrows = []struct{ pkg, imports string }{
	{".", "driver/cli"},
	{"driver/cli", "driver/hold driver/render driver/contract driver/web driver/importer driver/compare driver/document driver/bundle builtins/clock driver/network driver driver/view builtins/state driver/ca driver/capture driver/client driver/exporter driver/exporter/controller driver/exporter/hook driver/exporter/metrics driver/exporter/part driver/filter driver/flow driver/mock driver/scenario driver/tlsfault script builtins/disk builtins/exchange driver/rpc builtins/excerpt builtins/jsonvalue driver/expect"},
	{"driver/cli/bench", ""},
	{"driver/cli/bench/plot", ""},
	{"driver/cli/interop", ""},
	{"driver/exporter/controller", "driver driver/exporter driver/exporter/hook driver/frames driver/pb builtins/disk builtins/follow"},
	{"driver/exporter/part", ""},
	{"driver/exporter", "driver driver/client driver/exporter/part driver/exporter/hook driver/pb driver/document script builtins/disk builtins/follow driver/rpc builtins/nearest"},
	{"driver/exporter/hook", "builtins/disk"},
	{"driver/exporter/metrics", "driver driver/pb"},
	{"driver/client", "driver/rpc driver/frames driver/pb builtins/disk"},
	{"driver/frames", "driver/pb"},
	{"driver/mask", "driver/flow driver/capture builtins/exchange builtins/jsonvalue"},
	{"driver/expect", "builtins/call driver/scenario driver/mock driver/filter driver/document driver/mask driver/capture builtins/exchange builtins/jsonvalue builtins/pattern builtins/excerpt"},
	{"driver/flow", "driver/capture builtins/disk builtins/exchange builtins/follow builtins/jsonvalue builtins/excerpt"},
	{"driver/compare", "driver/mask driver/flow driver/document driver/filter driver/capture builtins/exchange builtins/jsonvalue builtins/nearest builtins/excerpt"},
	{"driver/contract", "driver/document builtins/exchange builtins/jsonvalue builtins/excerpt"},
	{"driver/bundle", "driver/flow builtins/disk"},
	{"driver", "driver/onboard driver/hold driver/contract driver/bundle driver/mask driver/network driver/doctor driver/hello driver/proxy/way driver/handshake driver/faultplan driver/tlsfault driver/export driver/document driver/access driver/web driver/view driver/filter driver/proxy driver/scenario driver/capture driver/flow driver/mock driver/ca script builtins/disk builtins/exchange builtins/follow builtins/jsonvalue builtins/state driver/rpc driver/endpoints builtins/call builtins/clock builtins/excerpt driver/expect driver/render"},
	{"driver/web", "driver/view driver/filter driver/rpc builtins/disk builtins/jsonvalue"},
	{"driver/view", "driver/render driver/bundle driver/flow driver/handshake driver/filter driver/rpc driver/capture driver/mock builtins/exchange builtins/follow builtins/excerpt builtins/jsonvalue"},
	{"driver/render", "builtins/exchange builtins/excerpt builtins/jsonvalue"},
	{"driver/endpoints", "driver/faultplan driver/tlsfault driver/document driver/rpc driver/access driver/scenario driver/capture driver/mock script builtins/disk builtins/exchange builtins/jsonvalue builtins/state builtins/follow"},
	{"driver/filter", "driver/capture builtins/exchange builtins/nearest builtins/excerpt"},
	{"driver/rpc", "builtins/exchange builtins/jsonvalue builtins/state builtins/excerpt"},
	{"driver/proxy", "driver/onboard driver/proxy/h1 driver/proxy/splice driver/proxy/way driver/handshake driver/hello driver/network driver/tlsfault driver/capture driver/ca builtins/exchange builtins/clock builtins/excerpt"},
	{"driver/proxy/h1", "builtins/exchange builtins/excerpt"},
	{"driver/proxy/splice", ""},
	{"driver/proxy/way", "builtins/exchange builtins/nearest builtins/excerpt"},
	{"driver/network", "driver/document builtins/exchange builtins/follow builtins/nearest builtins/excerpt"},
	{"driver/tlsfault", "driver/hello driver/document driver/ca builtins/exchange builtins/follow builtins/nearest builtins/jsonvalue"},
	{"driver/doctor", ""},
	{"driver/document", "builtins/jsonvalue builtins/nearest builtins/excerpt"},
	{"driver/importer", "driver/export driver/scenario driver/flow driver/capture driver/document driver/mock script builtins/disk builtins/exchange builtins/pattern"},
	{"driver/export", "driver/document driver/filter driver/capture driver/mock builtins/disk builtins/exchange builtins/jsonvalue"},
	{"driver/scenario", "driver/contract driver/network driver/tlsfault driver/faultplan driver/document driver/access driver/mock script builtins/disk builtins/exchange builtins/jsonvalue builtins/state builtins/call builtins/nearest builtins/value builtins/excerpt"},
	{"driver/capture", "builtins/disk builtins/exchange builtins/follow builtins/jsonvalue"},
	{"driver/hold", "driver/filter driver/capture builtins/exchange builtins/value builtins/jsonvalue builtins/follow builtins/excerpt"},
	{"driver/faultplan", "driver/mock builtins/exchange builtins/follow"},
	{"driver/mock", "driver/access builtins/disk builtins/exchange builtins/jsonvalue builtins/nearest builtins/pattern builtins/excerpt"},
	{"driver/handshake", "driver/hello builtins/exchange builtins/follow"},
	{"driver/hello", ""},
	{"driver/onboard", ""},
	{"driver/ca", "driver/onboard builtins/disk builtins/exchange builtins/clock builtins/excerpt"},
	{"driver/access", "builtins/disk"},
	{"driver/pb", ""},
	{"driver/pb/leasing", "driver/pb"},
	{"driver/exporter/labtest", "driver/frames driver/pb driver/pb/leasing builtins/follow"},
	{"script", "builtins/trial stdlib script/sandbox builtins builtins/disk builtins/exchange builtins/jsonvalue builtins/state builtins/call builtins/nearest builtins/value builtins/clock builtins/excerpt"},
	{"script/sandbox", "builtins/call"},
	{"stdlib", ""},
	{"builtins", "builtins/trial builtins/value builtins/call builtins/nearest builtins/pattern builtins/exchange builtins/state builtins/jsonvalue"},
	{"builtins/trial", "builtins/value builtins/call builtins/exchange builtins/excerpt"},
	{"builtins/value", "builtins/call builtins/exchange builtins/jsonvalue"},
	{"builtins/call", "builtins/clock builtins/nearest builtins/pattern builtins/exchange builtins/state builtins/jsonvalue builtins/follow builtins/excerpt"},
	// The ground floor.
	{"builtins/clock", "builtins/follow"},
	{"builtins/disk", ""},
	{"builtins/excerpt", ""},
	{"builtins/exchange", "builtins/excerpt builtins/jsonvalue"},
	{"builtins/follow", ""},
	{"builtins/jsonvalue", "builtins/excerpt"},
	{"builtins/nearest", ""},
	{"builtins/pattern", ""},
	{"builtins/state", "builtins/jsonvalue builtins/follow"},
}

// keepers are the only packages that may know a module of others.
var keepers = map[string]string{
	"github.com/AdguardTeam/gomitmproxy":  "driver/proxy",
	"github.com/alecthomas/kong":          "driver/cli",
	"github.com/antchfx/xpath":            "driver/mock",
	"github.com/miekg/dns":                "driver/proxy driver/proxy/way",
	"github.com/bazelbuild/buildtools":    "script",
	"github.com/creack/pty":               "driver/exporter/hook",
	"go.starlark.net":                     "script script/sandbox builtins builtins/call builtins/value builtins/trial driver/scenario",
	"rsc.io/qr":                           "driver/onboard",
	"github.com/prometheus/client_golang": "driver/exporter/metrics",
	"github.com/peterh/liner":             "driver/cli",
}

// TestArrows holds the imports of every file, whatever system it is built for.
// Tests may import what they like of ours, for they use a package as those
// above it do; modules of others stay with their keepers.
func TestArrows(t *testing.T) {
	t.Parallel()
	allowed := map[string][]string{}
	for _, a := range arrows {
		allowed[a.pkg] = strings.Fields(a.imports)
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "testdata" || name != "." && strings.HasPrefix(name, ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(file))
		if _, known := allowed[pkg]; !known && !seen[pkg] {
			t.Errorf("%s: a package that arrows does not know", pkg)
		}
		seen[pkg] = true
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(path, "starproxy/"); ok && !strings.HasSuffix(file, "_test.go") && !slices.Contains(allowed[pkg], ours) {
				t.Errorf("%s imports %s, expected only of ours: %s", file, path, strings.Join(allowed[pkg], ", "))
			}
			for module, keeper := range keepers {
				if (path == module || strings.HasPrefix(path, module+"/")) && !slices.Contains(strings.Fields(keeper), pkg) {
					t.Errorf("%s imports %s, expected only %s to", file, path, keeper)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range arrows {
		if !seen[a.pkg] {
			t.Errorf("%s: no such package", a.pkg)
		}
	}
}

// TestRoomsAreDescribed finds each package in the table of docs/architecture.md, by
// its path or by its last name.
func TestRoomsAreDescribed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range arrows {
		if a.pkg == "." {
			continue
		}
		if text := string(page); !strings.Contains(text, "`"+a.pkg+"`") && !strings.Contains(text, "`"+path.Base(a.pkg)+"`") {
			t.Errorf("docs/architecture.md: got no row for %s, want one with what it does", a.pkg)
		}
	}
}
