package hello

import (
	"crypto/md5" //nolint:gosec // JA3 is defined with it
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// JA3 returns the text of the JA3 fingerprint: version, cipher suites, extensions,
// groups and point formats in the order of the message, without GREASE
// (https://github.com/salesforce/ja3).
func (h *Hello) JA3() string {
	points := make([]uint16, len(h.Points))
	for i, p := range h.Points {
		points[i] = uint16(p)
	}
	fields := []string{
		strconv.Itoa(int(h.Version)), decimals(Known(h.Suites)), decimals(Known(h.Extensions)), decimals(Known(h.Groups)), decimals(points),
	}
	return strings.Join(fields, ",")
}

// JA3Hash returns the MD5 sum of [Hello.JA3] in hexadecimal digits. It is the form in
// which JA3 fingerprints are listed.
func (h *Hello) JA3Hash() string {
	sum := md5.Sum([]byte(h.JA3())) //nolint:gosec // JA3 is defined with it
	return hex.EncodeToString(sum[:])
}

func decimals(list []uint16) string {
	var b []byte
	for i, n := range list {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return string(b)
}

// JA4 returns the JA4 fingerprint of a client over TCP. It does not depend on the order
// of the cipher suites and extensions, which browsers shuffle
// (https://github.com/FoxIO-LLC/ja4, the part under the BSD licence).
func (h *Hello) JA4() string {
	a, b, c := h.ja4()
	return a + "_" + cutHash(b) + "_" + cutHash(c)
}

// JA4Raw returns the text that [Hello.JA4] makes its hashes of, called JA4_r.
func (h *Hello) JA4Raw() string {
	a, b, c := h.ja4()
	return a + "_" + b + "_" + c
}

// ja4 returns the three parts of the fingerprint, the last two not hashed yet.
func (h *Hello) ja4() (head, suites, rest string) {
	ciphers, extensions := Known(h.Suites), Known(h.Extensions)
	sni := "i"
	if slices.Contains(extensions, extServerName) {
		sni = "d"
	}
	head = fmt.Sprintf("t%s%s%02d%02d%s", ja4Version(h.Newest()), sni, min(len(ciphers), 99), min(len(extensions), 99), ja4ALPN(h.ALPN))
	slices.Sort(ciphers)
	extensions = slices.DeleteFunc(extensions, func(id uint16) bool { return id == extServerName || id == extALPN })
	slices.Sort(extensions)
	rest = hexes(extensions)
	if signatures := Known(h.Signatures); len(signatures) > 0 && rest != "" {
		rest += "_" + hexes(signatures)
	}
	return head, hexes(ciphers), rest
}

func ja4Version(v uint16) string {
	switch v {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	}
	return "00"
}

// ja4ALPN returns the first and the last character of the first protocol. When one of
// them is no letter or digit, those of its hexadecimal form are taken.
func ja4ALPN(protocols []string) string {
	if len(protocols) == 0 || protocols[0] == "" {
		return "00"
	}
	name := protocols[0]
	if !isAlphanumeric(name[0]) || !isAlphanumeric(name[len(name)-1]) {
		name = hex.EncodeToString([]byte(name))
	}
	return string([]byte{name[0], name[len(name)-1]})
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func hexes(list []uint16) string {
	var b []byte
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = hex.AppendEncode(b, []byte{byte(n >> 8), byte(n)})
	}
	return string(b)
}

// cutHash returns the first twelve digits of the SHA-256 sum, or zeros for no text.
func cutHash(s string) string {
	if s == "" {
		return "000000000000"
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}
