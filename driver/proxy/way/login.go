package way

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
)

// Logins are the users that may use a proxy, with their passwords. They are kept as
// digests. Nil is for a proxy that everybody may use.
type Logins struct{ digests [][sha256.Size]byte }

// NewLogins takes users in the form name:password. None makes nil. An error does not
// have the text.
func NewLogins(pairs []string) (*Logins, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	l := &Logins{}
	for _, pair := range pairs {
		if err := CheckLogin(pair); err != nil {
			return nil, err
		}
		l.digests = append(l.digests, sha256.Sum256([]byte(pair)))
	}
	return l, nil
}

// CheckLogin reports why a text is no name:password that Basic (RFC 7617) and SOCKS5
// (RFC 1929) can carry. The error does not have the text.
func CheckLogin(pair string) error {
	name, password, ok := strings.Cut(pair, ":")
	switch {
	case !ok:
		return errors.New("got a text without a colon, want name:password")
	case name == "" || password == "":
		return errors.New("got an empty name or password, want name:password")
	case len(name) > 255 || len(password) > 255:
		return errors.New("got a name or password over 255 bytes, want shorter ones")
	case strings.ContainsFunc(pair, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("got control characters, want a name and a password without them")
	}
	return nil
}

// Admit reports whether name:password is that of a user. Its time does not depend on
// how much of the text is right.
func (l *Logins) Admit(pair string) bool {
	if l == nil {
		return true
	}
	d, found := sha256.Sum256([]byte(pair)), 0
	for i := range l.digests {
		found |= subtle.ConstantTimeCompare(d[:], l.digests[i][:])
	}
	return found == 1
}
