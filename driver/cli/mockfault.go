package cli

import (
	"context"

	"starproxy/builtins/jsonvalue"
)

type mockFaultCmd struct {
	Method string   `completion:"endpoint" arg:"" help:"Method of the endpoint; * for any."`
	Path   string   `completion:"endpoint" arg:"" help:"Its path or URL, as the key of a scenario has it."`
	Kind   string   `arg:"" enum:"close,corrupt,drip,duplicate,garbage,reset,stall,truncate,wrong_length" help:"Kind of the fault, see below."`
	After  int64    `name:"after" placeholder:"BYTES" help:"Send the header and so many bytes of the body before."`
	Rate   *float64 `name:"rate" placeholder:"SHARE" help:"How often it fails, from 0 to 1 (default 1, each time)."`
	Answer string   `name:"answer" placeholder:"JSON" default:"{}" help:"What begins before the fault, or answers when it does not come: keys of an endpoint."`
}

// Help explains the kinds.
func (mockFaultCmd) Help() string {
	return `The endpoint fails from the very next request on:

    close      the connection is closed without an answer
    reset      it is reset
    stall      nothing comes until the device gives up
    truncate   the body ends early
    garbage    bytes that are no HTTP, then it is closed

or its body is wrong:

    drip          it comes slowly, 1024 bytes per second
    corrupt       a byte in its middle is wrong
    wrong_length  Content-Length is larger by 1
    duplicate     it comes twice

Plans choose requests by number, time or chance, see "faults set --help".

Examples:

    j proxy mock fault GET /api/v1/status reset
    j proxy mock fault GET /firmware truncate --after 65536 --answer '{"file": "fw.bin"}'
    j proxy mock fault POST /api/v1/data close --rate 0.2 --answer '{"status": 204}'
    j proxy mock remove GET /api/v1/status`
}

// Run sets the mock.
func (c *mockFaultCmd) Run(ctx context.Context, sys *System, p proxy) error {
	fault := c.Kind
	if c.After != 0 || c.Rate != nil {
		b, err := jsonvalue.Append(nil, struct {
			After int64    `json:"after,omitempty"`
			Kind  string   `json:"kind"`
			Rate  *float64 `json:"rate,omitempty"`
		}{c.After, c.Kind, c.Rate})
		if err != nil {
			return err
		}
		fault = string(b)
	}
	return p.say(ctx, sys, "set_mock_fault", c.Method, c.Path, fault, c.Answer)
}
