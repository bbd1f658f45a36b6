package mask

import "strings"

// Names that stand for a secret whatever comes before or after.
var nameParts = []string{
	"token", "secret", "password", "passwd", "passphrase", "apikey", "credential", "authorization", "privatekey",
	"accesskey", "signingkey", "encryptionkey", "sharedkey", "sessionkey", "subscriptionkey", "bearer", "jwt", "sessionid",
	"sessid", "codeverifier",
}

// Names with one of nameParts that end like this tell something about a secret, and
// have none.
var plainEnds = []string{
	"type", "expires", "expiresin", "expiresat", "expiry", "expiration", "endpoint", "url", "uri", "count", "name", "length", "policy",
	"hint", "enabled", "required", "format", "age", "ttl", "lifetime", "maxtokens", "totaltokens", "prompttokens", "completiontokens",
}

// Names that stand for a secret as a whole. In URLs there are more.
var (
	wholeNames = names("pwd pass pin otp totp sid session auth cookie setcookie assertion clientassertion cvv cvc xauth xamzsignature " +
		"xgoogsignature samlresponse samlrequest")
	urlNames = names("key sig signature")
)

func names(list string) map[string]bool {
	m := map[string]bool{}
	for n := range strings.FieldsSeq(list) {
		m[n] = true
	}
	return m
}

// plainName returns a name in lower case without all that is no letter or digit, so
// that "x-api_key" and "xApiKey" are the same.
func plainName(name string) string {
	b := make([]byte, 0, len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'A' && c <= 'Z':
			b = append(b, c+'a'-'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 0x80:
			b = append(b, c)
		}
	}
	return string(b)
}

// IsSecret reports whether a field, parameter, cookie or header with that name has a secret
// as its value for every Masker. inURL says that it is a parameter of a URL.
func IsSecret(name string, inURL bool) bool { return (&Masker{}).secretName(name, inURL) }

// secretName reports whether a field, parameter, cookie or header with that name has a
// secret as its value. inURL says that it is a parameter of a URL.
func (m *Masker) secretName(name string, inURL bool) bool {
	if len(name) < 3 || len(name) > maxName {
		return false
	}
	n := plainName(name)
	if wholeNames[n] || m.names[n] || inURL && urlNames[n] {
		return true
	}
	for _, part := range nameParts {
		if !strings.Contains(n, part) {
			continue
		}
		for _, end := range plainEnds {
			if strings.HasSuffix(n, end) {
				return false
			}
		}
		return true
	}
	return false
}
