package driver

import (
	"errors"
	"fmt"
	"syscall"

	"starproxy/driver/rpc"
)

// stock makes a refusal for which the stock driver has a sentence: its clients
// get the text as an ordinary result. about is the argument or the key of the
// configuration that is the reason, empty for none.
func stock(code rpc.Code, about, format string, args ...any) *rpc.Refusal {
	text := fmt.Sprintf(format, args...)
	return &rpc.Refusal{Code: code, About: about, Text: text, Stock: text}
}

// marked puts before the stock sentence of a refusal the word with which some of
// them begin.
func marked(r *rpc.Refusal) *rpc.Refusal {
	r.Stock = "Error: " + r.Text
	return r
}

// notStarted is the refusal of a start that failed with err.
func notStarted(err error) *rpc.Refusal {
	return stock(rpc.FailedPrecondition, "", "Failed to start: %v", err)
}

// notListening is the refusal of a start that can't listen on a port, for which
// the configuration has a key.
func notListening(key, name string, port int, err error) *rpc.Refusal {
	if errors.Is(err, syscall.EADDRINUSE) {
		return stock(rpc.AlreadyExists, key, "Failed to start (%s %d is already in use by another program): %v", name, port, err)
	}
	return stock(rpc.FailedPrecondition, key, "Failed to start: %v", err)
}
