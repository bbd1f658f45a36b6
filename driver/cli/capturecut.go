package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// liveNumber is the number of an exchange in flight, which is printed behind an @. It is
// taken with and without it.
type liveNumber uint64

// UnmarshalText takes the value of an argument.
func (n *liveNumber) UnmarshalText(text []byte) error {
	number, err := strconv.ParseUint(strings.TrimPrefix(string(text), "@"), 10, 63)
	if err != nil {
		return fmt.Errorf("got %q, want the number of an exchange in flight, such as @12 or 12", text)
	}
	*n = liveNumber(number)
	return nil
}

type captureCutCmd struct {
	Live liveNumber `arg:"" help:"Number in flight, as \"capture list --live\" prints it behind @: @12 or 12."`
}

// Help tells what happens.
func (captureCutCmd) Help() string {
	return `Resets an exchange that has not ended: the device's connection, or its stream over HTTP/2, and the connection to the real server. Requests that wait, downloads, event streams, WebSockets and tunnels can be cut off. Captures tell it as [cut off by hand].

Examples:

    j proxy capture list --live
    j proxy capture cut @12`
}

// Run cuts an exchange off.
func (c *captureCutCmd) Run(ctx context.Context, sys *System, p proxy) error {
	return p.say(ctx, sys, "cut_exchange", uint64(c.Live))
}
