package way

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"starproxy/builtins/excerpt"
	"starproxy/builtins/exchange"
)

// The numbers of SOCKS5 (RFC 1928 sections 3 to 6, RFC 1929 section 2).
const (
	socksVersion = 5
	loginVersion = 1

	methodNone  = 0    // no authentication
	methodLogin = 2    // user and password
	methodNo    = 0xff // none of those that were offered

	commandConnect = 1

	typeIPv4 = 1
	typeName = 3
	typeIPv6 = 4

	replyDone      = 0
	replyFailure   = 1
	replyNoCommand = 7
	replyNoType    = 8
)

// AcceptSOCKS does the handshake of a SOCKS5 server (RFC 1928), with the users of
// RFC 1929 unless logins is nil. It returns the host:port that the client asks for,
// and has told it then that it is connected: as with CONNECT, the server is asked when
// the first bytes are there. It reads no byte behind the handshake. After an error the
// client has its answer, where there is one; the error has no password.
//
// It is ours, because the libraries for it connect to the server themselves.
func AcceptSOCKS(c io.ReadWriter, logins *Logins) (target string, err error) {
	if err := negotiate(c, logins); err != nil {
		return "", err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return "", fmt.Errorf("SOCKS5: request: %w", err)
	}
	if head[0] != socksVersion {
		return "", fmt.Errorf("SOCKS5: request: version: got %d, want 5", head[0])
	}
	host, reply, err := socksHost(c, head[3])
	if err != nil {
		answerSOCKS(c, reply)
		return "", err
	}
	var port [2]byte
	if _, err := io.ReadFull(c, port[:]); err != nil {
		return "", fmt.Errorf("SOCKS5: request: %w", err)
	}
	n := int(port[0])<<8 | int(port[1])
	switch {
	case head[1] != commandConnect:
		answerSOCKS(c, replyNoCommand)
		return "", fmt.Errorf("SOCKS5: command: got %d, want 1 (CONNECT): BIND and UDP are not served", head[1])
	case n == 0:
		answerSOCKS(c, replyFailure)
		return "", errors.New("SOCKS5: port: got 0, want 1 to 65535")
	}
	return exchange.JoinAuthority(host, n), answerSOCKS(c, replyDone)
}

// answerSOCKS answers a request, with an address that says nothing.
func answerSOCKS(c io.Writer, reply byte) error {
	_, err := c.Write([]byte{socksVersion, reply, 0, typeIPv4, 0, 0, 0, 0, 0, 0})
	return err
}

// negotiate agrees on how the client presents itself, and has it do so.
func negotiate(c io.ReadWriter, logins *Logins) error {
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return fmt.Errorf("SOCKS5: greeting: %w", err)
	}
	switch {
	case head[0] == 4:
		return errors.New("SOCKS5: version: got 4, want 5")
	case head[0] != socksVersion:
		return fmt.Errorf("SOCKS5: version: got %d, want 5: the client does not speak SOCKS", head[0])
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(c, methods); err != nil {
		return fmt.Errorf("SOCKS5: greeting: %w", err)
	}
	method := byte(methodNo)
	for _, m := range methods {
		if m == methodLogin && method != methodNone || m == methodNone && logins == nil {
			method = m
		}
	}
	if _, err := c.Write([]byte{socksVersion, method}); err != nil {
		return fmt.Errorf("SOCKS5: greeting: %w", err)
	}
	switch {
	case method == methodNo && logins != nil:
		return errors.New("SOCKS5: user: got none, want one of listen.auth with its password")
	case method == methodNo:
		return fmt.Errorf("SOCKS5: methods: got % x, want 00 (none) or 02 (user and password)", methods)
	case method == methodLogin:
		return socksLogin(c, logins)
	}
	return nil
}

// socksLogin takes a user and a password (RFC 1929).
func socksLogin(c io.ReadWriter, logins *Logins) error {
	var version [1]byte
	if _, err := io.ReadFull(c, version[:]); err != nil {
		return fmt.Errorf("SOCKS5: user: %w", err)
	}
	if version[0] != loginVersion {
		return fmt.Errorf("SOCKS5: user: version: got %d, want 1", version[0])
	}
	name, err := socksText(c)
	if err != nil {
		return fmt.Errorf("SOCKS5: user: %w", err)
	}
	password, err := socksText(c)
	if err != nil {
		return fmt.Errorf("SOCKS5: user: %w", err)
	}
	verdict := byte(0)
	if !logins.Admit(name + ":" + password) {
		verdict = 1
	}
	if _, err := c.Write([]byte{loginVersion, verdict}); err != nil {
		return fmt.Errorf("SOCKS5: user: %w", err)
	}
	if verdict != 0 {
		return fmt.Errorf("SOCKS5: user: got %s, want one of listen.auth with its password", excerpt.Quote(name))
	}
	return nil
}

// socksText reads a text behind a byte with its length.
func socksText(c io.Reader) (string, error) {
	var n [1]byte
	if _, err := io.ReadFull(c, n[:]); err != nil {
		return "", err
	}
	b := make([]byte, n[0])
	_, err := io.ReadFull(c, b)
	return string(b), err
}

// socksHost reads the host of a request. With an error it returns the reply to it.
func socksHost(c io.Reader, kind byte) (host string, reply byte, err error) {
	switch kind {
	case typeIPv4, typeIPv6:
		b := make([]byte, 4)
		if kind == typeIPv6 {
			b = make([]byte, 16)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return "", replyFailure, fmt.Errorf("SOCKS5: address: %w", err)
		}
		a, _ := netip.AddrFromSlice(b)
		return a.Unmap().String(), 0, nil
	case typeName:
		name, err := socksText(c)
		if err == nil {
			host, err = exchange.HostName(name)
		}
		if err != nil {
			return "", replyFailure, fmt.Errorf("SOCKS5: %w", err)
		}
		return host, 0, nil
	}
	return "", replyNoType, fmt.Errorf("SOCKS5: type of address: got %d, want 1 (IPv4), 3 (name) or 4 (IPv6)", kind)
}
