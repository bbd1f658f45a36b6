package way

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// said is a client that has said all it will say.
type said struct {
	io.Reader
	heard bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) { return s.heard.Write(b) }

func TestAcceptSOCKS(t *testing.T) {
	t.Parallel()
	logins, err := NewLogins([]string{"bench:tiger", "other:lion"})
	if err != nil {
		t.Fatal(err)
	}
	const name = "\x05\x01\x00\x03\x0bexample.com\x01\xbb"
	done := "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for _, c := range []struct {
		name, says, target, answer, err string
		logins                          *Logins
	}{
		{name: "name", says: "\x05\x01\x00" + name, target: "example.com:443", answer: "\x05\x00" + done},
		{name: "IPv4", says: "\x05\x02\x00\x02\x05\x01\x00\x01\x0a\x00\x00\x07\x00\x50", target: "10.0.0.7:80", answer: "\x05\x00" + done},
		{name: "IPv6", says: "\x05\x01\x00\x05\x01\x00\x04\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x50",
			target: "[fd00::7]:80", answer: "\x05\x00" + done},
		{name: "user", says: "\x05\x02\x00\x02\x01\x05bench\x05tiger" + name, logins: logins, target: "example.com:443",
			answer: "\x05\x02\x01\x00" + done},
		{name: "any user without logins", says: "\x05\x01\x02\x01\x01a\x01b" + name, target: "example.com:443", answer: "\x05\x02\x01\x00" + done},
		{name: "wrong password", says: "\x05\x01\x02\x01\x05bench\x05tigre" + name, logins: logins, answer: "\x05\x02\x01\x01",
			err: `user: got "bench", want one of listen.auth`},
		{name: "no user", says: "\x05\x01\x00" + name, logins: logins, answer: "\x05\xff", err: "user: got none"},
		{name: "unknown method", says: "\x05\x01\x01", answer: "\x05\xff", err: "methods: got 01"},
		{name: "SOCKS4", says: "\x04\x01\x00\x50\x0a\x00\x00\x07\x00", err: "version: got 4, want 5"},
		{name: "HTTP", says: "GET / HTTP/1.1\r\n\r\n", err: "version: got 71, want 5"},
		{name: "UDP", says: "\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x35", answer: "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00",
			err: "command: got 3"},
		{name: "no such type", says: "\x05\x01\x00\x05\x01\x00\x02", answer: "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00", err: "type of address: got 2"},
		{name: "no name", says: "\x05\x01\x00\x05\x01\x00\x03\x03a b\x00\x50", answer: "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00", err: "host: got \"a b\""},
		{name: "port 0", says: "\x05\x01\x00\x05\x01\x00\x01\x0a\x00\x00\x07\x00\x00", answer: "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00", err: "port: got 0"},
		{name: "cut", says: "\x05\x01\x00\x05\x01\x00", answer: "\x05\x00", err: "EOF"},
	} {
		client := &said{Reader: strings.NewReader(c.says + "rest")}
		if c.name == "cut" {
			client.Reader = strings.NewReader(c.says)
		}
		target, err := AcceptSOCKS(client, c.logins)
		if target != c.target || client.heard.String() != c.answer {
			t.Errorf("%s: got target %q and answer %q, want %q and %q", c.name, target, client.heard.String(), c.target, c.answer)
		}
		if c.err == "" {
			if rest, _ := io.ReadAll(client.Reader); err != nil || string(rest) != "rest" {
				t.Errorf("%s: got %v and %q left, want all behind the handshake left", c.name, err, rest)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "tigre") {
			t.Errorf("%s: got error %v, want one with %s", c.name, err, c.err)
		}
	}
}

func FuzzAcceptSOCKS(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x0bexample.com\x01\xbb"), false)
	f.Add([]byte("\x05\x01\x02\x01\x05bench\x05tiger\x05\x01\x00\x01\x0a\x00\x00\x07\x00\x50"), true)
	logins, _ := NewLogins([]string{"bench:tiger"})
	f.Fuzz(func(t *testing.T, b []byte, asks bool) {
		client, l := &said{Reader: bytes.NewReader(b)}, logins
		if !asks {
			l = nil
		}
		target, err := AcceptSOCKS(client, l)
		if (err == nil) != (target != "") {
			t.Fatalf("got target %q, error %v", target, err)
		}
		if err == nil && asks && !bytes.Contains(b, []byte("\x05bench\x05tiger")) {
			t.Fatalf("%q: admitted without the password", b)
		}
		if errors.Is(err, io.ErrShortWrite) || client.heard.Len() > 14 {
			t.Fatalf("answered %q", client.heard.String())
		}
	})
}
