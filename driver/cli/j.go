package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"starproxy/driver/client"
)

// jCmd is "starproxy j": the rest of the line is j's own.
type jCmd struct {
	Args []string `arg:"" optional:"" name:"export" help:"Name of the export and its command, see starproxy j --help."`
}

// Run hands over to j.
func (c *jCmd) Run(ctx context.Context, sys *System) error {
	sys.Name = "j"
	return runJ(ctx, sys, c.Args)
}

// proxyCommands is the grammar behind "j EXPORT".
type proxyCommands struct {
	Start   startCmd   `cmd:"" help:"Start the proxy."`
	Stop    stopCmd    `cmd:"" help:"Stop the proxy."`
	Restart restartCmd `cmd:"" help:"Stop the proxy and start it again."`
	Status  statusCmd  `cmd:"" help:"Show whether the proxy runs, in which mode and where."`
	Mock    struct {
		List     mockListCmd     `cmd:"" help:"List the mock endpoints."`
		Clear    mockClearCmd    `cmd:"" help:"Remove all mock endpoints."`
		Load     mockLoadCmd     `cmd:"" help:"Replace the mock endpoints by those of a scenario."`
		Fault    mockFaultCmd    `cmd:"" help:"Let an endpoint fail as the network does."`
		Webhooks mockWebhooksCmd `cmd:"" help:"List the webhooks that mocks have sent."`
		Coverage mockCoverageCmd `cmd:"" help:"Tell which endpoints, rules, steps and operations were never met."`
		Set      mockSetCmd      `cmd:"" help:"Put an endpoint in force that is defined in a file."`
		Enable   mockEnableCmd   `cmd:"" help:"Let an endpoint answer again."`
		Disable  mockDisableCmd  `cmd:"" help:"Keep an endpoint from answering."`
		Remove   mockRemoveCmd   `cmd:"" help:"Remove a mock endpoint."`
		Reset    mockResetCmd    `cmd:"" help:"Return to the scenario as it was loaded."`
		Undo     mockUndoCmd     `cmd:"" help:"Undo the latest change of the mock endpoints."`
		Save     mockSaveCmd     `cmd:"" help:"Save a mock endpoint to a scenario file."`
	} `cmd:"" help:"Manage mock endpoints."`
	Scenario  proxyScenarioCommands `cmd:"" help:"List the scenarios on the exporter, and load one."`
	Script    proxyScriptCommands   `cmd:"" help:"List the scripts in force, and try a request against them."`
	TLS       tlsCommands           `cmd:"" name:"tls" help:"Let devices meet faults of TLS, audit them, and tell whom they trust."`
	Doctor    doctorCmd             `cmd:"" help:"Watch the devices, and tell what is wrong with their way through the proxy."`
	Clock     clockCommands         `cmd:"" help:"Turn the clock of scripts, mocks and certificates."`
	Network   networkCommands       `cmd:"" help:"Put devices on slow, late or broken networks."`
	Faults    faultsCommands        `cmd:"" help:"Plan faults that requests meet, mocked or not."`
	Intercept interceptCmd          `cmd:"" help:"Hold the exchanges that a filter picks, so that they can be edited."`
	Held      heldCommands          `cmd:"" help:"List, edit and release the exchanges that are held."`
	Expect    expectCmd             `cmd:"" help:"Check captured exchanges against expectations."`
	State     stateCommands         `cmd:"" help:"Look at the state that mocks are in, and set it."`
	Flow      struct {
		List    flowListCmd    `cmd:"" help:"List the recordings on the exporter."`
		Save    flowSaveCmd    `cmd:"" help:"Download a recording."`
		Upload  flowUploadCmd  `cmd:"" help:"Upload a recording to replay."`
		Convert flowConvertCmd `cmd:"" help:"Turn a flow file into a HAR document, or the other way round."`
	} `cmd:"" help:"Manage recorded flow files."`
	Capture  captureCommands  `cmd:"" help:"Watch, list and save captured requests."`
	Contract contractCommands `cmd:"" help:"Tell how exchanges kept to the OpenAPI document of the scenario."`
	Session  sessionCommands  `cmd:"" help:"Compare sessions of a device."`
	Bundle   bundleCommands   `cmd:"" help:"Save all that is known of the session into one file."`
	Web      webCmd           `cmd:"" help:"Make the web UI reachable on a local port."`
	Cert     certCmd          `cmd:"" help:"Download the CA certificate for the device."`
}

// captureCommands is the grammar of "capture".
type captureCommands struct {
	Watch captureWatchCmd `cmd:"" default:"withargs" help:"Print requests as they happen (the default)."`
	List  captureListCmd  `cmd:"" help:"Print the requests captured so far."`
	Show  captureShowCmd  `cmd:"" help:"Tell all about one captured request, or print its body."`
	Clear captureClearCmd `cmd:"" help:"Forget the captured requests."`
	Cut   captureCutCmd   `cmd:"" help:"Reset an exchange that is in flight."`
	Save  captureSaveCmd  `cmd:"" help:"Write captured traffic as a scenario, a HAR document or a flow file."`
}

// Help explains the default.
func (captureCommands) Help() string {
	return `Without a command it watches, and takes the flags of "capture watch".

Examples:

    j proxy capture
    j proxy capture -f '/api/v1/*'
    j proxy capture list`
}

// Help returns the text below the usage line of "j EXPORT --help".
func (proxyCommands) Help() string {
	return `Controls one proxy of the exporter at JUMPSTARTER_HOST. Failures exit with 1 and one line on standard error.

Examples, for an export named proxy:

    j proxy start                      # mocks on, everything else goes to the real server
    j proxy mock load happy-path.yaml
    j proxy capture                    # watch requests, Ctrl+C to stop
    j proxy capture save recorded/     # ... and turn them into a scenario
    j proxy start -m record            # write what the real servers answer to a flow file
    j proxy cert                       # the certificate that the device must trust`
}

// jHelp is the text of "j --help", ahead of the exports.
const jHelp = `Usage: j EXPORT <command> ...

Control what the exporter at JUMPSTARTER_HOST exports. EXPORT is the name of a
proxy, for a nested one its path: "j bench proxy status". Exports of other
types, a power relay for instance, are handed to Python's j, if it is installed.

"starproxy shell" and "jmp shell" set JUMPSTARTER_HOST; "starproxy run" prints
the line that sets it.

Flags:
  -h, --help               Show this help.
      --version            Print version and licence.
      --log-level=LEVEL    Accepted for compatibility; j has no log.

Run "j EXPORT --help" for the commands of a proxy, "j help COMMAND" for one of
them, such as "j help mock set".
`

// runJ runs the command line of j, its name left off.
func runJ(ctx context.Context, sys *System, args []string) error {
	line := args
	args, err := jFlags(args)
	if err != nil {
		return err
	}
	if len(args) > 0 && args[0] == "--version" {
		return (&versionCmd{}).Run(sys)
	}
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" && len(args) == 1 {
		return jUsage(ctx, sys, len(args) == 0)
	}
	if args[0] == "help" {
		return sys.helpOfProxy(ctx, args[1:])
	}
	at, path, rest, c, err := dialExport(ctx, sys, args)
	if c != nil {
		defer c.Close()
	}
	if err != nil && slices.Contains(proxyWords(), args[0]) {
		export := "proxy"
		if c != nil {
			export = cmp.Or(exportOf(c.Tree()).firstProxy(), export)
		}
		return proxyWord(args, export)
	}
	var foreign *foreignError
	if errors.As(err, &foreign) && !foreign.group {
		c.Close()
		return handOver(sys, foreign, line)
	}
	if path, rest := splitAtCommand(args); err != nil && (asksHelp(args) || isLocal(rest)) {
		// These need no exporter: the names of the exports are taken on trust.
		return sys.guarded().dispatch(ctx, "j "+strings.Join(path, " "), &proxyCommands{}, rest, proxy{})
	}
	if err != nil {
		return err
	}
	name := strings.Join(append([]string{"j"}, path...), " ")
	return sys.guarded().dispatch(ctx, name, &proxyCommands{}, rest, proxy{at.caller})
}

// helpOfProxy prints the help of a command, whose words may have the path of an export before
// them. No exporter is asked.
func (s *System) helpOfProxy(ctx context.Context, words []string) error {
	path, rest := []string{"EXPORT"}, words
	if !slices.Contains(proxyWords(), words[0]) {
		path, rest = splitAtCommand(words)
	}
	return s.dispatch(ctx, "j "+strings.Join(path, " "), &proxyCommands{}, append(slices.Clone(rest), "--help"), proxy{})
}

// isLocal reports whether a command of a proxy works on files of this machine alone.
func isLocal(args []string) bool {
	if len(args) > 0 && args[0] == "expect" {
		return slices.ContainsFunc(args, func(a string) bool { return a == "--in" || strings.HasPrefix(a, "--in=") })
	}
	return len(args) > 1 && (args[0] == "flow" && args[1] == "convert" || args[0] == "session" && args[1] == "diff")
}

// dialExport connects to the exporter and finds the proxy that args begin with
// the path of. The client, unless it is nil, is to be closed whatever the error.
func dialExport(ctx context.Context, sys *System, args []string) (at *export, path, rest []string, c *client.Client, err error) {
	if c, err = dial(ctx, sys); err != nil {
		return nil, nil, nil, nil, err
	}
	at, path, rest, err = locate(exportOf(c.Tree()), args)
	return at, path, rest, c, err
}

// jFlags takes the flags ahead of the export off args.
func jFlags(args []string) ([]string, error) {
	for len(args) > 0 {
		switch {
		case args[0] == "--":
			return args[1:], nil
		case strings.HasPrefix(args[0], "--log-level="):
			args = args[1:]
		case args[0] == "--log-level":
			if len(args) < 2 {
				return nil, usagef("--log-level: expected a level")
			}
			args = args[2:]
		case args[0] == "-h", args[0] == "--help", args[0] == "--version", !strings.HasPrefix(args[0], "-"):
			return args, nil
		default:
			return nil, usagef("unknown flag %s: expected the name of an export (see j --help)", args[0])
		}
	}
	return args, nil
}

// asksHelp reports whether a help flag is among args, ahead of any "--".
func asksHelp(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "-h", "--help":
			return true
		case "--":
			return false
		}
	}
	return false
}

// splitAtCommand parts the words of an export's path from its command without
// knowing the exports: the first word is one, the path ends before the first
// flag or name of a command behind it.
func splitAtCommand(args []string) (path, rest []string) {
	for i, arg := range args[1:] {
		if strings.HasPrefix(arg, "-") || slices.Contains(proxyWords(), arg) {
			return args[:i+1], args[i+1:]
		}
	}
	return args, nil
}

// jUsage prints j's help with the exports of the exporter, if one is there. A
// bare "j" is a command line that is wrong, so it goes to standard error then.
func jUsage(ctx context.Context, sys *System, bare bool) error {
	w := sys.Stdout
	if bare {
		w = sys.Stderr
	}
	fmt.Fprint(w, jHelp)
	if sys.Getenv("JUMPSTARTER_HOST") != "" {
		c, err := dial(ctx, sys)
		if err != nil {
			sys.note("%s: %s", sys.Name, oneLine(err))
		} else {
			defer c.Close()
			fmt.Fprint(w, "\nExports:\n")
			for _, line := range exportOf(c.Tree()).listing() {
				fmt.Fprintf(w, "  %s\n", line)
			}
		}
	}
	if bare {
		return exitCode(exitUsage)
	}
	return nil
}

// dial connects to the exporter of the environment.
func dial(ctx context.Context, sys *System) (*client.Client, error) {
	if sys.Getenv("JUMPSTARTER_HOST") == "" {
		return nil, errors.New("JUMPSTARTER_HOST is not set: use j inside starproxy shell or jmp shell, or paste the export line " +
			"that starproxy run prints")
	}
	return client.FromEnv(ctx)
}
