// Package tlsfault is the data form of faults of TLS: which fault a device meets in
// its handshakes with which host, how often, and what became of it.
//
// A Table is for any number of goroutines. A handshake asks it once, without a lock
// as long as nothing is set.
//
// driver and scenario fill the table of a proxy; proxy asks it and makes the faults.
package tlsfault

import (
	"fmt"
	"slices"
	"strings"

	"starproxy/builtins/nearest"
	"starproxy/driver/ca"
)

// Kind names a fault.
type Kind string

// The kinds. The first are flaws of certificates.
const (
	Expired             = Kind(ca.Expired)
	NotYetValid         = Kind(ca.NotYetValid)
	WrongHost           = Kind(ca.WrongHost)
	SelfSigned          = Kind(ca.SelfSigned)
	UnknownCA           = Kind(ca.UnknownCA)
	MissingIntermediate = Kind(ca.MissingIntermediate)
	NoSAN               = Kind(ca.NoSAN)
	WrongUsage          = Kind(ca.WrongUsage)
	WeakKey             = Kind(ca.WeakKey)
	WeakSignature       = Kind(ca.WeakSignature)
	Revoked             = Kind(ca.Revoked)
	LongChain           = Kind(ca.LongChain)

	MaxVersion    Kind = "max_version"
	MinVersion    Kind = "min_version"
	ALPN          Kind = "alpn"
	Alerted       Kind = "alert"
	Abort         Kind = "abort"
	Stall         Kind = "stall"
	Garbage       Kind = "garbage"
	Plaintext     Kind = "plaintext"
	Slow          Kind = "slow"
	NoCloseNotify Kind = "no_close_notify"
)

// Tolerance says what a good device does when it meets a fault.
type Tolerance uint8

// The values of Tolerance.
const (
	Refuses Tolerance = iota // it refuses the connection
	Either                   // it may go on or not
	Fails                    // it can't go on: no request can come over the connection
)

// Info describes a kind of fault.
type Info struct {
	Kind Kind
	// Doc is a sentence without a point.
	Doc string
	// Params are the keys of its parameters besides times.
	Params []string
	// Device is what a good device does.
	Device Tolerance
	// Flaw is the flaw of the certificate; empty for a fault that is none.
	Flaw ca.Flaw
}

// Kinds describes all kinds, in the order in which an audit goes through them.
func Kinds() []Info {
	flaw := func(k Kind, doc string) Info { return Info{Kind: k, Doc: doc, Flaw: ca.Flaw(k)} }
	long := flaw(LongChain, "the chain of certificates is right, and longer than 16 KiB")
	long.Device = Either
	return []Info{
		flaw(Expired, "the certificate expired yesterday"),
		flaw(NotYetValid, "the certificate is valid from tomorrow on"),
		flaw(WrongHost, "the certificate is for "+ca.OtherHost),
		flaw(SelfSigned, "the certificate is signed by its own key"),
		flaw(UnknownCA, "the certificate is signed by a CA that no device trusts"),
		flaw(MissingIntermediate, "the certificate is signed by an intermediate CA that is not sent"),
		flaw(NoSAN, "the certificate has the name of the host in its common name alone"),
		flaw(WrongUsage, "the certificate is for clients, not for servers"),
		flaw(WeakKey, "the certificate has an RSA key of 1024 bits"),
		flaw(WeakSignature, "the certificate is signed with SHA-1"),
		flaw(Revoked, "an OCSP answer comes with the certificate and says that it is revoked"),
		long,
		{Kind: MaxVersion, Doc: "the server speaks no newer TLS than version (default 1.1)", Params: []string{"version"}},
		{Kind: MinVersion, Doc: "the server speaks no older TLS than version (default 1.3)", Params: []string{"version"}, Device: Either},
		{Kind: ALPN, Doc: "the server chooses protocol, which the device has not offered, or none (the default)",
			Params: []string{"protocol"}, Device: Either},
		{Kind: Alerted, Doc: "the server ends the handshake with an alert (default handshake_failure)", Params: []string{"alert"},
			Device: Fails},
		{Kind: Abort, Doc: "the server ends the connection after client_hello (the default), server_hello or certificate, how: rst " +
			"(the default) or fin", Params: []string{"after", "how"}, Device: Fails},
		{Kind: Stall, Doc: "the server says nothing more after client_hello (the default), server_hello or certificate",
			Params: []string{"after"}, Device: Fails},
		{Kind: Garbage, Doc: "the server answers with bytes that are no TLS", Device: Fails},
		{Kind: Plaintext, Doc: "the server answers with HTTP without TLS", Device: Fails},
		{Kind: Slow, Doc: "the handshake comes in pieces of bytes (default 32), each ms milliseconds (default 50) after the one before",
			Params: []string{"bytes", "ms"}, Device: Either},
		{Kind: NoCloseNotify, Doc: "the server ends connections without the alert close_notify", Device: Either},
	}
}

// Info describes the kind. The kind of a control handshake has no description.
func (k Kind) Info() Info {
	kinds := Kinds()
	if i := slices.IndexFunc(kinds, func(i Info) bool { return i.Kind == k }); i >= 0 {
		return kinds[i]
	}
	return Info{Kind: k}
}

// UnmarshalText takes the name of a kind.
func (k *Kind) UnmarshalText(text []byte) error {
	var names []string
	for _, i := range Kinds() {
		names = append(names, string(i.Kind))
	}
	name, err := oneOf(string(text), names)
	*k = Kind(name)
	return err
}

// oneOf returns text if it is one of names.
func oneOf(text string, names []string) (string, error) {
	if slices.Contains(names, text) {
		return text, nil
	}
	if near := nearest.Name(text, names); near != "" {
		return "", fmt.Errorf("got %q; did you mean %q?", text, near)
	}
	return "", fmt.Errorf("got %q, want one of %s", text, strings.Join(names, ", "))
}
