package flow

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"starproxy/builtins/disk"
)

// Convert makes a HAR document of a flow file, or the other way round; a name
// that ends in .har is that of a HAR document, for out at least: in is what it
// is. It gives the number of flows that are in out now; what could not be
// converted is in the warnings. out is there whole or not at all, and may be in;
// only its owner can read it.
func Convert(in, out string) (n int, warnings []string, err error) {
	toHAR := strings.EqualFold(filepath.Ext(out), ".har")
	file, err := OpenWith(in, Options{Piped: true, Streams: !toHAR}) // a HAR has no place for streams
	if err != nil {
		return 0, nil, err
	}
	defer file.Close()
	to, err := disk.CreatePart(out, 0o600)
	if err != nil {
		return 0, nil, fmt.Errorf("convert %s: %w", in, err)
	}
	defer func() {
		if err != nil {
			to.Discard()
		}
	}()
	// What can't be read is told of and left out.
	flows := func(yield func(*Flow, error) bool) {
		for f, err := range file.Flows() {
			if bad := (*RecordError)(nil); errors.As(err, &bad) {
				warnings = append(warnings, err.Error())
				continue
			}
			if err == nil {
				n++
			}
			if !yield(f, err) {
				return
			}
		}
	}
	if toHAR {
		err = WriteHAR(to, flows, version())
	} else {
		buffered := bufio.NewWriterSize(to, window)
		w := NewWriter(buffered)
		for f, ferr := range flows {
			if err = ferr; err == nil {
				err = w.Write(f)
			}
			if err != nil {
				break
			}
		}
		if err == nil {
			err = buffered.Flush()
		}
	}
	skipped := file.Skipped()
	for _, kind := range slices.Sorted(maps.Keys(skipped)) {
		warnings = append(warnings, fmt.Sprintf("recording %s: %d flows of type %s are left out", in, skipped[kind], kind))
	}
	warnings = append(warnings, file.Warnings()...)
	if err == nil && n == 0 {
		err = nothing(warnings)
	}
	if err == nil {
		err = to.Commit()
	}
	if err != nil {
		return 0, warnings, fmt.Errorf("convert %s to %s: %w", in, out, err)
	}
	return n, warnings, nil
}

// nothing is the error of a recording without a single flow that can be used.
func nothing(warnings []string) error {
	if len(warnings) > 0 {
		return fmt.Errorf("it gives no flow: %s", warnings[0])
	}
	return errors.New("it gives no flow: it is empty")
}

// version is that of this program, for documents that name their creator.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
