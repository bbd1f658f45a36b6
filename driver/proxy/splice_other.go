//go:build !linux

package proxy

import (
	"io"
	"net"

	"starproxy/driver/capture"
)

// mover would move bytes inside the kernel; here bodies are copied.
type mover struct {
	body *h1Body
	src  *net.TCPConn
	rec  *capture.Recorder
	left int64
}

func (m *mover) Read([]byte) (int, error)    { return 0, io.EOF }
func (m *mover) moveTo(*conn) (int64, error) { return 0, io.EOF }

// pipePool is empty.
type pipePool struct{}

func (*pipePool) close() {}
