package proxy

import (
	"os"
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
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func tempDir() (string, error) { return caDir, nil }
