package part

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Command is a command to a host.
type Command struct {
	// ID numbers the commands; the answer has the same.
	ID int `json:"id"`
	// Do is open, close, or a command of the session's own.
	Do string `json:"do"`
	// Session is the session that open serves.
	Session json.RawMessage `json:"session"`
	// Value belongs to other commands.
	Value json.RawMessage `json:"value"`
}

// lastGrace is how long a host in Go may take to end after its input has.
const lastGrace = 5 * time.Second

// Serve returns a host in Go: it says that it is ready and answers the commands
// on in with what do returns, until in ends. The answer to open has the key
// socket.
//
// It is the last thing that the process does: 5 s after in has ended the process
// ends, whatever it is doing, since the exporter is gone then.
func Serve(in io.Reader, out io.Writer, do func(Command) (any, error)) error {
	return serve(in, out, do, lastGrace)
}

// serve is Serve with the time that the process has after the end of in.
func serve(in io.Reader, out io.Writer, do func(Command) (any, error), grace time.Duration) error {
	answer := json.NewEncoder(out)
	type fields map[string]any
	if err := answer.Encode(fields{"id": 0}); err != nil {
		return err
	}
	commands, failed := make(chan Command), make(chan error, 1)
	go func() {
		failed <- readCommands(in, commands)
		time.AfterFunc(grace, func() { os.Exit(1) })
	}()
	for {
		var c Command
		select {
		case c = <-commands:
		case err := <-failed:
			return err
		}
		reply := fields{"id": c.ID}
		result, err := do(c)
		if err != nil {
			reply["error"] = err.Error()
		} else if socket, ok := result.(string); ok {
			reply["socket"] = socket
		}
		if err := answer.Encode(reply); err != nil {
			return err
		}
	}
}

// readCommands passes the commands on until in ends.
func readCommands(in io.Reader, commands chan<- Command) error {
	decoder := json.NewDecoder(bufio.NewReader(in))
	for {
		var c Command
		if err := decoder.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		commands <- c
	}
}

// recordMark begins a line that is a record, as in JSON text sequences (RFC 7464).
const recordMark = '\x1e'

// MaxRecord bounds the JSON of a record, in bytes.
const MaxRecord = maxLine - 2

// WriteRecord writes a record of the host's log to its standard error. It has
// left the host when WriteRecord returns, so that a crash loses none.
func WriteRecord(stderr io.Writer, json []byte) error {
	if len(json) > MaxRecord {
		return fmt.Errorf("record: got %d bytes, want at most %d", len(json), MaxRecord)
	}
	line := make([]byte, 0, len(json)+2)
	line = append(append(append(line, recordMark), json...), '\n')
	_, err := stderr.Write(line) // in one piece, so that a crash cuts none
	return err
}
