package hook

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"starproxy/builtins/disk"
)

// motdVariable names the file for the message of the day.
const motdVariable = "JMP_MOTD_FILE"

// Env is the lease that a hook runs for, and its surroundings.
type Env struct {
	// Path of the unix socket on which the bench of the lease is served.
	Host string
	// Name of the lease.
	Lease string
	// Name of the client that holds the lease.
	Client string
	// Whether the hook may write a message of the day. Only beforeLease may.
	MOTD bool
	// A directory made by LinkJ, which comes first on the hook's PATH. If empty,
	// Run makes one that is removed when the hook ends; a process that the hook
	// leaves behind has no j then.
	Bin string
	// The Python interpreter for script files. Default python3.
	Python string
}

// environ returns the environment of a hook. The file for the message of the
// day is motd; the hook gets none if motd is empty.
func (e *Env) environ(inherited []string, bin, motd string) []string {
	env := slices.DeleteFunc(Environ(inherited, e.Host, bin), func(entry string) bool {
		return strings.HasPrefix(entry, "PS1=") || strings.HasPrefix(entry, motdVariable+"=")
	})
	env = append(env,
		"LEASE_NAME="+e.Lease,
		"CLIENT_NAME="+e.Client,
		"TERM=dumb",
		"DEBIAN_FRONTEND=noninteractive",
		"GIT_TERMINAL_PROMPT=0")
	if motd != "" {
		env = append(env, motdVariable+"="+motd)
	}
	return env
}

// Environ returns the environment of a command that uses a bench: the inherited
// one, in which j and Jumpstarter's clients find the bench on the unix socket,
// and the programs in the directory bin come first.
func Environ(inherited []string, socket, bin string) []string {
	path := bin
	for _, entry := range inherited {
		if dirs, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = bin + string(os.PathListSeparator) + dirs
		}
	}
	return append(slices.Clone(inherited),
		"JUMPSTARTER_HOST="+socket,
		"JMP_DRIVERS_ALLOW=UNSAFE",
		"_JMP_SUPPRESS_DRIVER_WARNINGS=1",
		"PATH="+path)
}

// LinkJ makes a private directory in which j is a link to this program. The
// caller removes it.
func LinkJ() (*disk.Private, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	dir, err := disk.MakePrivate(os.TempDir(), "starproxy-bin-")
	if err != nil {
		return nil, err
	}
	if err := os.Symlink(self, filepath.Join(dir.Path, "j")); err != nil {
		dir.Remove()
		return nil, err
	}
	return dir, nil
}
