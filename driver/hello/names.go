package hello

import (
	"crypto/tls"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// The names of cipher suites, a hexadecimal number and a name a line, are those of
// https://www.iana.org/assignments/tls-parameters. The other ones have their kind
// before them: groups, signature algorithms, and extensions.
var (
	//go:embed suites.txt
	suiteLines string
	//go:embed names.txt
	otherLines string
)

// named is a number of one kind of names.
type named struct {
	kind   string
	number uint16
}

// names are read when the first one is asked for.
var names = sync.OnceValue(func() map[named]string {
	all := map[named]string{}
	add := func(kind, number, name string) {
		n, err := strconv.ParseUint(number, 16, 16)
		if err != nil {
			panic(err) // a test looks up a name of each file
		}
		all[named{kind, uint16(n)}] = name
	}
	for line := range strings.Lines(suiteLines) {
		f := strings.Fields(line)
		add("suite", f[0], f[1])
	}
	for line := range strings.Lines(otherLines) {
		f := strings.Fields(line)
		add(f[0], f[1], f[2])
	}
	return all
})

func nameOf(kind string, n uint16) string {
	if isGREASE(n) {
		return fmt.Sprintf("GREASE 0x%04x", n)
	}
	if name := names()[named{kind, n}]; name != "" {
		return name
	}
	return fmt.Sprintf("0x%04x", n)
}

// SuiteName returns the name of a cipher suite, such as TLS_AES_128_GCM_SHA256. As with
// the functions below, a number without a name is written as 0x1234, and one that means
// nothing as "GREASE 0x1a1a" (RFC 8701).
func SuiteName(n uint16) string { return nameOf("suite", n) }

// GroupName returns the name of a group for key exchanges, such as x25519.
func GroupName(n uint16) string { return nameOf("group", n) }

// SignatureName returns the name of a signature algorithm, such as rsa_pss_rsae_sha256.
func SignatureName(n uint16) string { return nameOf("signature", n) }

// ExtensionName returns the name of an extension, such as server_name.
func ExtensionName(n uint16) string { return nameOf("extension", n) }

// VersionName returns the name of a version, such as "TLS 1.2".
func VersionName(n uint16) string {
	switch {
	case isGREASE(n):
		return fmt.Sprintf("GREASE 0x%04x", n)
	case n == 0x0300:
		return "SSL 3.0"
	case n == 0x0002:
		return "SSL 2.0"
	case n>>8 == 0x7f:
		return "TLS 1.3 draft " + strconv.Itoa(int(n&0xff))
	}
	return tls.VersionName(n)
}

// Point formats (RFC 8422 section 5.1.2).
const uncompressed, compressedPrime, compressedChar2 = 0, 1, 2

// PointName returns the name of a point format, such as uncompressed.
func PointName(n uint8) string {
	switch n {
	case uncompressed:
		return "uncompressed"
	case compressedPrime:
		return "ansiX962_compressed_prime"
	case compressedChar2:
		return "ansiX962_compressed_char2"
	}
	return fmt.Sprintf("0x%02x", n)
}

// Names returns the name of each number, by a function such as [SuiteName].
func Names[T uint8 | uint16](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = name(n)
	}
	return out
}
