package driver

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"starproxy/driver/access"
	"starproxy/driver/endpoints"
	"starproxy/driver/rpc"
	"starproxy/driver/scenario"
)

// The sentences of the stock driver, which its clients print and tests compare,
// and those of our own methods in its manner. The arrow is U+2192.
const (
	sayMockSet        = "Mock set: %s → %d"
	sayMockSetLate    = "Mock set: %s → %d (+%dms)"
	sayFileMockSet    = "File mock set: %s → %s (%s)"
	sayPatchMockSet   = "Patch mock set: %s"
	sayFaultMockSet   = "Fault mock set: %s → %s"
	saySequenceSet    = "Sequence mock set: %s → %d step(s)"
	sayTemplateSet    = "Template mock set: %s → %d"
	sayAddonSet       = "Addon mock set: %s → %s"
	sayConditionalSet = "Conditional mock set: %s → %d rule(s)"
	sayMockPut        = "Mock set: %s"
	sayMockRemoved    = "Removed mock: %s"
	sayMockEnabled    = "Mock enabled: %s"
	sayMockDisabled   = "Mock disabled: %s"
	sayMocksCleared   = "Cleared %d mock(s)"
	sayMocksReset     = "Reset to %d mock(s)"
	sayCoverageReset  = "Coverage begins again"
	sayLoaded         = "Loaded %d endpoint(s) from %s"

	sayStateSet       = "State set: %s"
	sayStateDeleted   = "State deleted: %s"
	sayStateCleared   = "Cleared %d state key(s)"
	sayScenarioMoved  = "Scenario %s: %s → %s"
	sayScenariosReset = "Reset %d scenario(s)"

	sayCapturesCleared = "Cleared %d captured request(s)"
	sayTimedOut        = "Timed out waiting for %s %s after %ss"
	saySpoolCleaned    = "Removed %d spool file(s)"
	sayNoSpool         = "No spool directory found"
	sayUploaded        = "Uploaded: %s (%d bytes)"
	sayReceived        = "Received: %s (%d bytes so far)"
)

// startedText returns the sentence about a proxy that has started; link opens
// the page, empty when there is none.
func startedText(r *running, link string) string {
	text := fmt.Sprintf("Started in '%s' mode on %s (PID %d)", r.mode, r.address, os.Getpid())
	if link != "" {
		text += " | Web UI: " + link
	}
	if r.recorder != nil {
		text += " | Recording to: " + r.recorder.Path()
	}
	return text
}

// stoppedText returns the sentence about a proxy that has stopped.
func stoppedText(r *running) string {
	text := fmt.Sprintf("Stopped (was '%s' mode, PID %d)", r.mode, os.Getpid())
	if r.recorder == nil {
		return text
	}
	if lost := r.recorder.Stats().Lost; lost > 0 {
		text += fmt.Sprintf(" | Not recorded, or not whole: %d", lost)
	}
	return text + " | Flow saved to: " + r.recorder.Path()
}

// stock makes a refusal for which the stock driver has a sentence: its clients
// get the text as an ordinary result. about is the argument or the key of the
// configuration that is the reason, empty for none.
func stock(code rpc.Code, about, format string, args ...any) *rpc.Refusal {
	text := fmt.Sprintf(format, args...)
	return &rpc.Refusal{Code: code, About: about, Text: text, Stock: text}
}

// asResult makes the text of a refusal one that stock clients get as an ordinary
// result.
func asResult(r *rpc.Refusal) *rpc.Refusal {
	r.Stock = r.Text
	return r
}

// marked puts before the stock sentence of a refusal the word with which some of
// them begin.
func marked(r *rpc.Refusal) *rpc.Refusal {
	r.Stock = "Error: " + r.Text
	return r
}

func notRunning() *rpc.Refusal { return stock(rpc.FailedPrecondition, "", "Not running") }

func alreadyRunning(mode string) *rpc.Refusal {
	return stock(rpc.FailedPrecondition, "", "Already running in '%s' mode (PID %d). Stop first.", mode, os.Getpid())
}

func unknownMode(mode string) *rpc.Refusal {
	return stock(rpc.InvalidArgument, "mode", "Unknown mode '%s'. Use: mock, passthrough, record, replay", mode)
}

func needsReplayFile() *rpc.Refusal {
	return marked(stock(rpc.InvalidArgument, "replay_file", "replay_file is required for replay mode"))
}

func noReplayFile(path string) *rpc.Refusal {
	return stock(rpc.NotFound, "replay_file", "Replay file not found: %s", path)
}

// noMockMode returns the refusal of a start whose endpoints can't be loaded.
func noMockMode(err error) *rpc.Refusal {
	return stock(rpc.FailedPrecondition, "", "Failed to initialize mock mode: %v", err)
}

// notStarted returns the refusal of a start that failed with err.
func notStarted(err error) *rpc.Refusal {
	return stock(rpc.FailedPrecondition, "", "Failed to start: %v", err)
}

// notListening returns the refusal of a start that can't listen on a port, for
// which the configuration has a key.
func notListening(key, name string, port int, err error) *rpc.Refusal {
	if errors.Is(err, syscall.EADDRINUSE) {
		return stock(rpc.AlreadyExists, key, "Failed to start (%s %d is already in use by another program): %v", name, port, err)
	}
	return stock(rpc.FailedPrecondition, key, "Failed to start: %v", err)
}

// noMock returns the refusal of a call for an endpoint that does not exist.
// about is the argument that names it.
func noMock(about, key string) *rpc.Refusal {
	return stock(rpc.NotFound, about, "Mock not found: %s", key)
}

// notJSON returns the refusal of an argument that is no JSON. what names it in
// the sentence, empty for "Invalid JSON".
func notJSON(about, what string, err error) *rpc.Refusal {
	if what != "" {
		what += " "
	}
	return stock(rpc.InvalidArgument, about, "Invalid %sJSON: %v", what, err)
}

// notPatches returns the refusal of patches that are no JSON object.
func notPatches(err error) *rpc.Refusal {
	if err != nil {
		return stock(rpc.InvalidArgument, "patches_json", "Invalid JSON for patches")
	}
	return stock(rpc.InvalidArgument, "patches_json", "Patches must be a JSON object")
}

// emptyList returns the refusal of an argument that is no list, or an empty
// one.
func emptyList(about, name string) *rpc.Refusal {
	return stock(rpc.InvalidArgument, about, "%s must be a non-empty JSON array", name)
}

// noAddon returns the refusal of an addon that is not there or has a mistake.
func noAddon(name string, err error) *rpc.Refusal {
	if errors.Is(err, scenario.ErrNoAddon) {
		return stock(rpc.NotFound, "addon_name", "Addon not found: %s", name)
	}
	return stock(rpc.InvalidArgument, "addon_name", "Addon %s: %v", name, err)
}

// notLoaded returns the refusal of a scenario. attempt is what failed, "load"
// or "parse".
func notLoaded(attempt string, err error) *rpc.Refusal {
	var own *rpc.Refusal
	var path *endpoints.PathError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &path) && errors.Is(err, access.ErrOutside):
		return stock(rpc.InvalidArgument, "path", "Invalid scenario path: must be within %s", path.Dir)
	case errors.As(err, &path):
		return stock(rpc.NotFound, "path", "Scenario file not found: %s", path.Path)
	case errors.Is(err, scenario.ErrNotObject):
		return stock(rpc.InvalidArgument, "", "Invalid scenario: expected a JSON/YAML object")
	case errors.Is(err, scenario.ErrNoEndpoints):
		return stock(rpc.InvalidArgument, "", "Invalid scenario: expected an object of endpoints")
	}
	return stock(rpc.InvalidArgument, "", "Failed to %s scenario: %v", attempt, err)
}

// noStateKey returns the refusal of a call for a key of the state that is not
// set.
func noStateKey(key string) *rpc.Refusal {
	return stock(rpc.NotFound, "key", "State key not found: %s", key)
}

// noCertificate returns the refusal of a call for a CA certificate that is not
// there.
func noCertificate(path string) *rpc.Refusal {
	return stock(rpc.NotFound, "", "CA cert not found at %s. Start proxy once to generate.", path)
}

// The refusals about files are errors to stock clients, too.

func badFilePath(path string) *rpc.Refusal {
	return &rpc.Refusal{Code: rpc.InvalidArgument, About: "relative_path", Text: "Invalid file path: " + path}
}

func noCapturedFile(path string) *rpc.Refusal {
	return rpc.Refuse(rpc.NotFound, "Captured file not found: %s", path)
}

func badFlowName(name string) *rpc.Refusal {
	return rpc.Refuse(rpc.InvalidArgument, "Invalid flow file name: '%s'", name)
}

// noFlowFile has the code of the stock driver.
func noFlowFile(name string) *rpc.Refusal {
	return rpc.Refuse(rpc.Internal, "Flow file not found: %s", name)
}

// notRecording returns the refusal of an upload whose name is none of a
// recording.
func notRecording(name string) *rpc.Refusal {
	return rpc.Refuse(rpc.InvalidArgument, "Invalid flow file name: '%s' (expected a file name that ends in .bin, .flow, .flows, "+
		".mitm or .har)", name)
}

// seconds writes a number of seconds as the stock driver does: always with a point.
func seconds(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
