package cli

import (
	"os"
	"os/exec"

	"starproxy/driver/exporter"
)

// hostProxiesCmd is the process in which the proxies of an exporter run when
// they are isolated. The exporter starts it and tells it what to do.
type hostProxiesCmd struct{}

// Run serves until standard input ends.
func (hostProxiesCmd) Run() error { return exporter.HostProxies() }

// hostCommand makes the command of that process.
func hostCommand() *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0] // the command fails then, and says so
	}
	return exec.Command(self, "host-proxies")
}
