package compare

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"

	"starproxy/builtins/excerpt"
)

// The kinds of texts that are another one for each device, each boot or each request.
const (
	idUUID   = "uuid"
	idTime   = "time"
	idNumber = "number"
	idMAC    = "mac"
	idIP     = "address"
	idHash   = "hash"
	idToken  = "token"
	idSerial = "serial"
	secret   = "secret"
)

var (
	uuidForm  = regexp.MustCompile(`^(?i)\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$`)
	timeForm  = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}([T_ ]\d{2}[:-]?\d{2}([:-]?\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$|^\d{8}T\d{6}Z?$`)
	epochForm = regexp.MustCompile(`^1\d{9}(\d{3}|\d{6}|\d{9})?(\.\d+)?$`) // 2001 to 2033, in seconds and smaller units
	dateForm  = regexp.MustCompile(`^\d{1,2}[./-]\d{1,2}[./-]\d{4}$`)
	clockForm = regexp.MustCompile(`^\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?$`)
	macForm   = regexp.MustCompile(`^(?i)[0-9a-f]{2}([:-][0-9a-f]{2}){5}$`)
	hexForm   = regexp.MustCompile(`^(?i)(0x)?[0-9a-f]+$`)
	wordForm  = regexp.MustCompile(`^[A-Za-z0-9_\-+/=.~]+$`)
	product   = regexp.MustCompile(`^[A-Za-z][A-Za-z-]+/v?\d[\w.+-]*$`) // of a User-Agent
	maskForm  = regexp.MustCompile(`^MASKED-\d+\**$`)                   // that of package mask
	jwtForm   = regexp.MustCompile(`^eyJ[\w-]+\.[\w-]+\.[\w-]*$`)
	// serialForm has upper-case letters and digits: VINs, serial numbers.
	serialForm = regexp.MustCompile(`^[A-Z0-9]+([-_][A-Z0-9]+)*$`)
	// namedForm is a word with a number of three digits and more, or a hash: "dev-0042".
	namedForm = regexp.MustCompile(`^([A-Za-z]+[-_.:])(\d{3,}|[0-9a-f]{6,})$`)
	// reading is a number, perhaps with a unit: "21.5 °C".
	reading = regexp.MustCompile(`^[+-]?\d+(\.\d+)? ?[%°/\pL]{0,4}$`)
	version = regexp.MustCompile(`^[vV]\d+([.-]\w+)*$`)
	digits  = regexp.MustCompile(`\d+`)
)

// The serial numbers among values: they have so many characters, of which so many are
// digits. Names of models have fewer.
const minSerial, minSerialDigits, longNumber = 10, 5, 9

// variable returns the kind of a text that is an id, a time or a token by its looks, "" for
// others. Numbers of fewer than nine digits are not among them.
func variable(s string) string {
	switch {
	case len(s) < 8 || len(s) > 4096:
		return ""
	case maskForm.MatchString(s):
		return secret
	case uuidForm.MatchString(s):
		return idUUID
	case timeForm.MatchString(s), dateForm.MatchString(s), epochForm.MatchString(s), clockForm.MatchString(s):
		return idTime
	case macForm.MatchString(s):
		return idMAC
	case isLocal(s):
		return idIP
	case isHex(s, 8):
		return idHash
	case len(s) >= longNumber && strings.Trim(s, "0123456789") == "":
		return idNumber
	case len(s) >= minSerial && digitsIn(s) >= minSerialDigits && digitsIn(s) < len(s) && serialForm.MatchString(s):
		return idSerial
	case jwtForm.MatchString(s), isRandom(s):
		return idToken
	}
	return ""
}

// isLocal reports whether s is an address of a local network, which a device has from the
// network that it is in.
func isLocal(s string) bool {
	if !strings.ContainsAny(s, ".:") || len(s) > 45 {
		return false
	}
	a, err := netip.ParseAddr(s)
	return err == nil && (a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback())
}

// digitsIn counts the digits in s.
func digitsIn(s string) (n int) {
	for i := range len(s) {
		if '0' <= s[i] && s[i] <= '9' {
			n++
		}
	}
	return n
}

// isHex reports whether s has at least min hexadecimal digits, with letters and digits
// among them.
func isHex(s string, min int) bool {
	return len(s) >= min && hexForm.MatchString(s) && strings.ContainsAny(s, "0123456789") && strings.ContainsAny(s, "abcdefABCDEF")
}

// isRandom reports whether s looks like random bytes in one of the common encodings:
// digits and letters of both cases follow each other without order.
func isRandom(s string) bool {
	if len(s) < 16 || !wordForm.MatchString(s) || product.MatchString(s) {
		return false
	}
	changes, signs, numbers, capitals, last := 0, 0, 0, 0, byte(0)
	for i := range len(s) {
		k := class(s[i])
		if k == 0 {
			continue
		}
		signs++
		switch {
		case last != 0 && k != last:
			changes++
		case k == 'A' && last == 'A':
			capitals++
		}
		if k == '0' {
			numbers++
		}
		last = k
	}
	// Without digits it may be words in camel case, which have few capitals in a row.
	return numbers < signs && changes*4 >= signs && (numbers > 0 || capitals >= 3)
}

// class returns the class of a sign: '0', 'a', 'A', or 0 for none of these.
func class(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return '0'
	case 'a' <= c && c <= 'z':
		return 'a'
	case 'A' <= c && c <= 'Z':
		return 'A'
	}
	return 0
}

// idOf returns the kind of a segment of a path, or of a key, that is an id. Words and
// versions of APIs ("v2") are none.
func idOf(s string) string {
	switch {
	case s == "" || version.MatchString(s):
		return ""
	case strings.Trim(s, "0123456789") == "":
		return idNumber
	}
	if kind := variable(s); kind != "" {
		return kind
	}
	switch n := digitsIn(s); {
	case n >= 2 && len(s)-n >= 2 && isHex(s, 6):
		return idHash
	case n >= 4 && len(s) > n && len(s) >= 6 && serialForm.MatchString(s):
		return idSerial
	}
	return ""
}

// foldSegment returns a segment of a path with a placeholder for what is an id in it.
func foldSegment(s string) string {
	if i := strings.LastIndexByte(s, '.'); i > 0 && len(s)-i <= 6 && digitsIn(s[i:]) < len(s)-i-1 { // a file
		if kind := idOf(s[:i]); kind != "" {
			return "{" + kind + "}" + s[i:]
		}
	}
	if kind := idOf(s); kind != "" {
		return "{" + kind + "}"
	}
	if m := namedForm.FindStringSubmatch(s); m != nil && strings.ContainsAny(m[2], "0123456789") {
		return m[1] + "{id}"
	}
	return s
}

// foldHost returns a host with a placeholder for a first label that is an id, as the
// hosts of devices in some clouds have it.
func foldHost(host string) string {
	label, rest, ok := strings.Cut(host, ".")
	if _, err := netip.ParseAddr(host); !ok || err == nil || !strings.Contains(rest, ".") {
		return host
	}
	if folded := foldSegment(label); folded != label && folded != "{"+idNumber+"}" {
		return folded + "." + rest
	}
	return host
}

// maxValue is the longest value that is kept, in bytes.
const maxValue = 300

// fold returns a value with placeholders for the ids, times and tokens in it.
func fold(s string) string {
	if t, err := http.ParseTime(s); err == nil && !t.IsZero() {
		return "{" + idTime + "}"
	}
	if kind := variable(s); kind != "" {
		return "{" + kind + "}"
	}
	var b strings.Builder
	for s != "" && b.Len() < maxValue {
		n := strings.IndexAny(s, " \t,;=\"'()<>&|?@")
		if n < 0 {
			n = len(s)
		}
		if kind := variable(s[:n]); kind != "" {
			b.WriteString("{" + kind + "}")
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
		if _, size := utf8.DecodeRuneInString(s); s != "" {
			b.WriteString(s[:size])
			s = s[size:]
		}
	}
	return excerpt.Cut(strings.ToValidUTF8(b.String(), "\uFFFD"), maxValue)
}

// placeholders are the kinds that fold puts into values, in braces.
var placeholders = [...]string{idUUID, idTime, idMAC, idIP, idHash, idToken, idSerial, idNumber, secret}

func quote(s string) string { return excerpt.Quote(s) }
