package proxy

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"
)

var caDir string

// TestMain gives the tests' one CA a directory that goes with them.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "starproxy-ca-*")
	if err != nil {
		panic(err)
	}
	caDir = dir
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // these tests wait more than they compute
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func tempDir() (string, error) { return caDir, nil }
