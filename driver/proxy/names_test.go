package proxy

import (
	"maps"
	"slices"
	"testing"
)

// What one header taught of names must not be taken for another's.
func TestNamesOnAKeptConnection(t *testing.T) {
	t.Parallel()
	blocks := []string{
		"Host: a\r\nX-One: 1\r\nx-two: 2\r\n",
		"Host: b\r\nX-One: 3\r\nx-two: 4\r\n",
		"Host: b\r\nX-One: 3\r\nX-two: 4\r\n",
		"Host: b\r\nX-One: 3\r\n",
		"Host: b\r\nX-One: 3\r\nx-two: 4\r\nMore: 5\r\n",
		"Host: b\r\nX-One: 3\r\nno colon\r\nx-two: 4\r\n",
		"Host: b\r\nX-One: 3\r\nx-two: 4\r\n",
		"Host: b\r\nX-Ones: 3\r\nx-two: 4\r\n",
		"X-One: 3\r\nHost: b\r\nX-One: again\r\n",
		"",
		"Host: a\r\nX-One: 1\r\nx-two: 2\r\n",
	}
	var kept headNote
	for range 2 {
		for i, block := range blocks {
			var fresh headNote
			for _, n := range []*headNote{&kept, &fresh} {
				n.begin()
				n.add([]byte("GET / HTTP/1.1\r\n" + block + "\r\n"))
				n.end()
			}
			odd, order := kept.names()
			wantOdd, wantOrder := fresh.names()
			if !maps.Equal(odd, wantOdd) || !slices.Equal(order, wantOrder) {
				t.Errorf("block %d: %v %v, on a connection of its own %v %v", i, odd, order, wantOdd, wantOrder)
			}
		}
	}
	// One that is not whole says nothing of the order, and spoils nothing.
	kept.begin()
	kept.add([]byte("GET / HTTP/1.1\r\nHost: a\r\nx-two: 1"))
	if _, order := kept.names(); order != nil {
		t.Errorf("half a header has the order %v", order)
	}
}
