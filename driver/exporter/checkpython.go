package exporter

import (
	"context"
	_ "embed" // the look for drivers
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// pythonTime bounds how long Python may look for drivers.
const pythonTime = 20 * time.Second

// lookScript looks for driver classes without importing their modules.
//
//go:embed checkpython.py
var lookScript string

// hosts reports whether this exporter hosts drivers of a type.
func hosts(kind string) bool { return kind == "" || slices.Contains(ownTypes, kind) }

// foreign tells of the drivers that Python hosts, and of those that are not
// there.
func (c *checker) foreign(ctx context.Context, all []exported) {
	kinds := []string{}
	for _, e := range all {
		if !hosts(e.kind) && !slices.Contains(kinds, e.kind) {
			kinds = append(kinds, e.kind)
		}
	}
	if len(kinds) == 0 {
		return
	}
	faults, err := lookForDrivers(ctx, c.python, kinds)
	for _, e := range all {
		if hosts(e.kind) {
			continue
		}
		n := at(e.node, "type")
		switch fault := faults[e.kind]; {
		case c.python == "":
			c.know(n, "export.%s: %s is hosted by Python, not looked for: %v", e.path, e.kind, c.noPython)
		case err != nil:
			c.doubtful(n, "export.%s: %s is hosted by Python: not looked for: %v", e.path, e.kind, err)
		case fault != "":
			c.wrong(n, "export.%s: %s is hosted by Python: %s (%s)", e.path, e.kind, fault, c.python)
		default:
			c.know(n, "export.%s: %s is hosted by Python (%s)", e.path, e.kind, c.python)
		}
	}
}

// lookForDrivers asks Python for driver types. Those that are not there have a
// reason.
func lookForDrivers(ctx context.Context, python string, kinds []string) (map[string]string, error) {
	if python == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, pythonTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, append([]string{"-B", "-c", lookScript}, kinds...)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer within %v", pythonTime)
		}
		return nil, fmt.Errorf("%s: %w", python, err)
	}
	// What a package prints while it is looked at comes before.
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var faults map[string]string
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &faults); err != nil {
		return nil, fmt.Errorf("%s: the answer is not the JSON expected: %w", python, err)
	}
	return faults, nil
}
