//go:build !linux

package disk_test

import "testing"

// fdLink exists on Linux only.
type fdLink struct{ path string }

func procLink(*testing.T, string) *fdLink { return &fdLink{} }

func (*fdLink) lead(*testing.T, string) {}
