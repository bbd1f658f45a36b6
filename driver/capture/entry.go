// Package capture remembers what went through the proxy: a journal of
// exchanges within a budget of bytes, to be read back, filtered, followed and
// waited for.
//
// A Journal is for any number of goroutines. An Entry is immutable once added.
//
// proxy adds entries; driver, web, flow and scenario read them.
package capture

import (
	"net/http"
	"net/netip"
	"time"

	"starproxy/builtins/exchange"
)

// Kind tells what an Entry is about.
type Kind uint8

// The kinds of entries.
const (
	HTTP     Kind = iota // a request and its response
	TLSError             // a device that broke off the TLS handshake
)

// Entry is one journaled exchange.
type Entry struct {
	// Seq numbers the entries of a journal from 1; Journal.Add sets it.
	Seq  uint64
	Kind Kind
	// Start is when the request's header had been read, Duration the time from
	// there to the end of the response.
	Start    time.Time
	Duration time.Duration
	Client   netip.AddrPort

	Method, Scheme, Host string
	Port                 int
	// Target is path and query as sent; Proto "HTTP/1.1" and the like.
	Target, Proto string
	// Authority is the Host header as sent.
	Authority       string
	RequestHeader   http.Header
	RequestTrailer  http.Header
	RequestBody     Blob
	Status          int // 0 when there was no answer to give
	ResponseHeader  http.Header
	ResponseTrailer http.Header
	ResponseBody    Blob
	Origin          exchange.Origin
	// Endpoint is the key of the mock that answered and Source its place.
	Endpoint, Source string
	// Error says what failed: the real server out of reach, a broken transfer,
	// for TLSError the alert.
	Error string
	// SNI is the name asked for in the TLS handshake (TLSError only).
	SNI   string
	Notes []exchange.Note
}

// Blob is a body as the journal keeps it: in memory, in a spool file, or as a
// section of a file that belongs to the user.
type Blob struct {
	// Size is the number of bytes that were transferred, kept or not.
	Size int64
	// Data holds the bytes when Path is empty.
	Data []byte
	// Path is the file that holds them: Off and Size give the section.
	Path string
	Off  int64
	// Spooled says that Path is the journal's own file, which goes with the entry.
	Spooled bool
	// Truncated says that not all bytes were kept.
	Truncated bool
}
