package flow

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"starproxy/builtins/disk"
)

// Convert reads the recording in, a flow file or a HAR document whatever its name
// is, and writes its flows to out: as a HAR document if the name of out ends in
// .har, else as a flow file. It returns the number of flows written; warnings
// name those that could not be converted. out is written whole or not at all, may
// be the same file as in, and can be read by its owner only.
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
	flows := readable(file, &n, &warnings)
	if toHAR {
		err = WriteHAR(to, flows, Version())
	} else {
		err = WriteFlows(to, flows)
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

// readable yields the flows of file and counts them in n. It leaves out the
// records that cannot be read and adds their errors to warnings.
func readable(file *File, n *int, warnings *[]string) iter.Seq2[*Flow, error] {
	return func(yield func(*Flow, error) bool) {
		for f, err := range file.Flows() {
			if bad := (*RecordError)(nil); errors.As(err, &bad) {
				*warnings = append(*warnings, err.Error())
				continue
			}
			if err == nil {
				*n++
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

// WriteFlows writes flows to out as a flow file. It ends at the first error of
// flows or of out.
func WriteFlows(out io.Writer, flows iter.Seq2[*Flow, error]) error {
	buffered := bufio.NewWriterSize(out, window)
	w := NewWriter(buffered)
	for f, err := range flows {
		if err != nil {
			return err
		}
		if err := w.Write(f); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// nothing returns the error of a recording that has no usable flow.
func nothing(warnings []string) error {
	if len(warnings) > 0 {
		return fmt.Errorf("it gives no flow: %s", warnings[0])
	}
	return errors.New("it gives no flow: it is empty")
}

// Version returns the version of this program, which a HAR document names as its
// creator.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
