package cli

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// notifier informs the service manager about the process, by the protocol of
// sd_notify(3): a datagram of lines to the socket that NOTIFY_SOCKET names.
type notifier struct {
	socket string        // empty for none
	every  time.Duration // the watchdog's patience, 0 for no watchdog
}

// newNotifier reads what the service manager asks for. pid is that of this
// process: WATCHDOG_PID may mean another one.
func newNotifier(getenv func(string) string, pid int) notifier {
	n := notifier{socket: getenv("NOTIFY_SOCKET")}
	micros, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	meant := getenv("WATCHDOG_PID")
	if err == nil && micros > 0 && n.socket != "" && (meant == "" || meant == strconv.Itoa(pid)) {
		n.every = time.Duration(micros) * time.Microsecond
	}
	return n
}

// send sends assignments, such as READY=1, in one datagram.
func (n notifier) send(assignments ...string) error {
	if n.socket == "" {
		return nil
	}
	name := n.socket
	if strings.HasPrefix(name, "@") { // the abstract name space
		name = "\x00" + name[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	defer c.Close()
	// A manager that does not read must not hold this process up.
	c.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte(strings.Join(assignments, "\n"))); err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	return nil
}

// watchdog informs the service manager that the process lives, as long as
// health finds nothing wrong, until ctx ends. fault hears of what is wrong.
func (n notifier) watchdog(ctx context.Context, health func(context.Context) error, fault func(error)) {
	if n.every == 0 {
		return
	}
	tick := time.NewTicker(n.every / 2)
	defer tick.Stop()
	for {
		probe, cancel := context.WithTimeout(ctx, n.every/3)
		err := health(probe)
		cancel()
		if err == nil {
			err = n.send("WATCHDOG=1")
		}
		if err != nil && ctx.Err() == nil {
			fault(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
