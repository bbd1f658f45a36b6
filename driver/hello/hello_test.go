package hello

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/cryptobyte"
)

// extension is one of a message that a test makes.
type extension struct {
	id   uint16
	data []byte
}

// made returns the records of a ClientHello, with at most size bytes in each.
func made(h *Hello, extensions []extension, size int) []byte {
	var b cryptobyte.Builder
	b.AddUint8(messageHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(h.Version)
		b.AddBytes(make([]byte, 32))
		b.AddUint8(0)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { addNumbers(b, h.Suites) })
		b.AddBytes([]byte{1, 0})
		if extensions == nil {
			return
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, e := range extensions {
				b.AddUint16(e.id)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(e.data) })
			}
		})
	})
	var out []byte
	for part := range slices.Chunk(b.BytesOrPanic(), size) {
		out = append(append(out, recordHandshake, 3, 1, byte(len(part)>>8), byte(len(part))), part...)
	}
	return out
}

func addNumbers(b *cryptobyte.Builder, list []uint16) {
	for _, n := range list {
		b.AddUint16(n)
	}
}

// list16 and list8 return the data of an extension that is a list of numbers.
func list16(list ...uint16) []byte {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { addNumbers(b, list) })
	return b.BytesOrPanic()
}

func list8(list ...uint16) []byte {
	var b cryptobyte.Builder
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { addNumbers(b, list) })
	return b.BytesOrPanic()
}

func protocols(names ...string) []byte {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, name := range names {
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
		}
	})
	return b.BytesOrPanic()
}

func serverName(name string) []byte {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(0)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
	})
	return b.BytesOrPanic()
}

// fromText returns a list of decimal numbers with a hyphen between two.
func fromText(t testing.TB, s string) (list []uint16) {
	t.Helper()
	if s == "" {
		return nil
	}
	for word := range strings.SplitSeq(s, "-") {
		n, err := strconv.ParseUint(word, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, uint16(n))
	}
	return list
}

// chrome is a message of Chrome 143 with the GREASE values that Chrome adds.
func chrome(t testing.TB, extensions string, more ...uint16) []byte {
	suites := fromText(t, "4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53")
	h := &Hello{Version: 0x0303, Suites: append([]uint16{0xdada}, suites...)}
	list := []extension{{0x3a3a, nil}}
	for _, id := range append(fromText(t, extensions), more...) {
		e := extension{id: id}
		switch id {
		case extServerName:
			e.data = serverName("www.example.com")
		case extGroups:
			e.data = list16(0x4a4a, 4588, 29, 23, 24)
		case extPointFormats:
			e.data = []byte{1, 0}
		case extSignatures:
			e.data = list16(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)
		case extALPN:
			e.data = protocols("h2", "http/1.1")
		case extVersions:
			e.data = list8(0x6a6a, 0x0304, 0x0303)
		}
		list = append(list, e)
	}
	return made(h, append(list, extension{0xbaba, []byte{0}}), 1<<14)
}

// The fingerprints of these messages are published: by the descriptions of JA3 and JA4,
// and for Chrome 143 by a page that shows browsers their own.
func TestFingerprints(t *testing.T) {
	t.Parallel()
	old := func(suites string, extensions []extension) []byte {
		return made(&Hello{Version: 0x0301, Suites: fromText(t, suites)}, extensions, 1<<14)
	}
	for _, tt := range []struct {
		name     string
		read     []byte
		ja3, md5 string
		ja4, raw string
	}{
		{
			"JA3 with extensions", old("47-53-5-10-49161-49162-49171-49172-50-56-19-4",
				[]extension{{0, serverName("a.test")}, {10, list16(23, 24, 25)}, {11, []byte{1, 0}}}),
			"769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0", "ada70206e40642a3e4461f35503241d5", "", "",
		},
		{
			"JA3 without extensions", old("4-5-10-9-100-98-3-6-19-18-99", nil),
			"769,4-5-10-9-100-98-3-6-19-18-99,,,", "de350869b8c85de67a350c8d186f11e6", "",
			"t10i110000_0003,0004,0005,0006,0009,000a,0012,0013,0062,0063,0064_",
		},
		{
			"Chrome 143", chrome(t, "45-51-16-65037-23-17613-0-11-10-43-65281-35-18-5-13-27"),
			"771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53," +
				"45-51-16-65037-23-17613-0-11-10-43-65281-35-18-5-13-27,4588-29-23-24,0", "98487aa16281980e7d1120d399efb6a4",
			"t13d1516h2_8daaf6152771_d8a2da3f94cd",
			"t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_" +
				"0005,000a,000b,000d,0012,0017,001b,0023,002b,002d,0033,44cd,fe0d,ff01_" +
				"0403,0804,0401,0503,0805,0501,0806,0601",
		},
		{
			"JA4 of the description", chrome(t, "27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21"), "", "",
			"t13d1516h2_8daaf6152771_e5627efa2ab1", "",
		},
	} {
		h, err := Parse(tt.read)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		for _, of := range []struct{ kind, got, want string }{
			{"JA3", h.JA3(), tt.ja3}, {"JA3 hash", h.JA3Hash(), tt.md5}, {"JA4", h.JA4(), tt.ja4}, {"JA4_r", h.JA4Raw(), tt.raw},
		} {
			if of.want != "" && of.got != of.want {
				t.Errorf("%s: %s\ngot  %s\nwant %s", tt.name, of.kind, of.got, of.want)
			}
		}
	}
}

func TestJA4Head(t *testing.T) {
	t.Parallel()
	alpn := func(names ...string) []extension { return []extension{{extALPN, protocols(names...)}} }
	for _, tt := range []struct {
		version    uint16
		extensions []extension
		want       string
	}{
		{0x0303, alpn("http/1.1"), "t12i0101h1"},
		{0x0303, alpn("h"), "t12i0101hh"},
		{0x0303, alpn("\xab\xcd"), "t12i0101ad"},
		{0x0303, alpn("0-"), "t12i01013d"},
		{0x0303, alpn("\x20a"), "t12i010121"},
		{0x0302, nil, "t11i010000"},
		{0x0300, []extension{{extServerName, serverName("a.test")}}, "ts3d010100"},
		{0x0303, []extension{{extVersions, list8(0x2a2a, 0x0304)}}, "t13i010100"},
		{0x0909, nil, "t00i010000"},
	} {
		h, err := Parse(made(&Hello{Version: tt.version, Suites: []uint16{0x002f}}, tt.extensions, 100))
		if err != nil {
			t.Errorf("%s: %v", tt.want, err)
		} else if got, _, _ := strings.Cut(h.JA4(), "_"); got != tt.want {
			t.Errorf("JA4 of version %04x with %x: got %s, want %s", tt.version, tt.extensions, got, tt.want)
		}
	}
}

// said returns the ClientHello that crypto/tls sends.
func said(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	c, s := net.Pipe()
	go func() {
		tls.Client(c, cfg).Handshake() //nolint:errcheck // nobody answers
		c.Close()
	}()
	head := make([]byte, 5)
	if _, err := io.ReadFull(s, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(s, body); err != nil {
		t.Fatal(err)
	}
	s.Close()
	return append(head, body...)
}

// A message of crypto/tls has the values that it was configured with.
func TestParse(t *testing.T) {
	t.Parallel()
	read := said(t, &tls.Config{
		ServerName: "api.example.com", NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, CurvePreferences: []tls.CurveID{tls.CurveP384},
	})
	h, err := Parse(read)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Signatures) == 0 || !slices.Contains(h.Extensions, extSignatures) {
		t.Errorf("got the extensions %d and the signature algorithms %x, want some", h.Extensions, h.Signatures)
	}
	h.Signatures, h.Extensions = nil, nil
	want := &Hello{
		Version: 0x0303, Versions: []uint16{0x0303}, Name: "api.example.com", Suites: []uint16{0xc02f}, Groups: []uint16{24},
		Points: []uint8{0}, ALPN: []string{"h2", "http/1.1"},
	}
	if d := cmp.Diff(want, h); d != "" {
		t.Errorf("crypto/tls's ClientHello (-want +got):\n%s", d)
	}
}

// A message in many records is the same message, and one that is cut off has all that
// came.
func TestParseParts(t *testing.T) {
	t.Parallel()
	const extensions = "0-10-11-13-16-43"
	whole, err := Parse(chrome(t, extensions))
	if err != nil {
		t.Fatal(err)
	}
	read := chrome(t, extensions)
	for _, size := range []int{1, 3, 64} {
		var parts []byte
		for part := range slices.Chunk(read[5:], size) {
			parts = append(append(parts, recordHandshake, 3, 1, 0, byte(len(part))), part...)
		}
		h, err := Parse(append(parts, 0x14, 3, 3, 0, 1, 1)) // what follows it does not count
		if d := cmp.Diff(whole, h); d != "" || err != nil {
			t.Errorf("in records of %d bytes: %v (-want +got):\n%s", size, err, d)
		}
	}
	before := 0
	for n := range len(read) {
		h, err := Parse(read[:n])
		switch {
		case err == nil:
			t.Errorf("cut off after %d bytes of %d: got no error", n, len(read))
		case n <= 5 != errors.Is(err, ErrNone):
			t.Errorf("cut off after %d bytes: got %v", n, err)
		case h != nil:
			if len(h.Extensions) < before {
				t.Errorf("cut off after %d bytes: got %d extensions, want at least %d", n, len(h.Extensions), before)
			}
			before = len(h.Extensions)
		}
	}
	if before < 6 {
		t.Errorf("cut off at the end: got %d extensions", before)
	}
}

func TestRecordLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		extensions []extension
		want       int
	}{
		{nil, 0},
		{[]extension{{extMaxFragmentLength, []byte{1}}}, 512},
		{[]extension{{extMaxFragmentLength, []byte{4}}}, 4096},
		{[]extension{{extMaxFragmentLength, []byte{5}}}, 0},
		{[]extension{{extRecordSizeLimit, []byte{0, 64}}}, 64},
		{[]extension{{extRecordSizeLimit, []byte{0, 63}}}, 0},
		{[]extension{{extRecordSizeLimit, []byte{0x40, 1}}}, 0},
		{[]extension{{extMaxFragmentLength, []byte{2}}, {extRecordSizeLimit, []byte{3, 0}}}, 768},
	} {
		h, _ := Parse(made(&Hello{Version: 0x0303}, tt.extensions, 1<<14))
		if h.RecordLimit != tt.want {
			t.Errorf("extensions %v: got the limit %d, want %d", tt.extensions, h.RecordLimit, tt.want)
		}
	}
}

func TestResumes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		extensions []extension
		want       bool
	}{
		{nil, false},
		{[]extension{{extSessionTicket, nil}}, false},
		{[]extension{{extSessionTicket, []byte("ticket")}}, true},
		{[]extension{{extPreSharedKey, []byte("key")}}, true},
	} {
		h, err := Parse(made(&Hello{Version: 0x0303}, tt.extensions, 1<<14))
		if h.Resumes != tt.want || err != nil {
			t.Errorf("extensions %v: got resumes %v (%v), want %v", tt.extensions, h.Resumes, err, tt.want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{SuiteName(0xc02b), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
		{SuiteName(0xc0ae), "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"},
		{SuiteName(0x00ff), "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"},
		{SuiteName(0xdada), "GREASE 0xdada"},
		{SuiteName(0xdeda), "0xdeda"},
		{GroupName(29), "x25519"},
		{GroupName(4588), "X25519MLKEM768"},
		{SignatureName(0x0804), "rsa_pss_rsae_sha256"},
		{ExtensionName(0), "server_name"},
		{ExtensionName(0xff01), "renegotiation_info"},
		{VersionName(0x0304), "TLS 1.3"},
		{VersionName(0x0300), "SSL 3.0"},
		{VersionName(0x7f1c), "TLS 1.3 draft 28"},
		{PointName(0), "uncompressed"},
		{strings.Join(Names([]uint16{29, 0x0a0a}, GroupName), " "), "x25519 GREASE 0x0a0a"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

// The names of cipher suites and groups agree with those of crypto/tls.
func TestNamesOfCryptoTLS(t *testing.T) {
	t.Parallel()
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if got := SuiteName(s.ID); got != s.Name {
			t.Errorf("%04x: got %s, want %s", s.ID, got, s.Name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(chrome(f, "45-51-16-65037-23-17613-0-11-10-43-65281-35-18-5-13-27"))
	f.Add(said(f, &tls.Config{ServerName: "a.test"}))
	f.Add(made(&Hello{Version: 0x0301, Suites: []uint16{5}}, nil, 7))
	f.Fuzz(func(t *testing.T, read []byte) {
		before := bytes.Clone(read)
		h, err := Parse(read)
		if !bytes.Equal(read, before) {
			t.Error("Parse changed the bytes")
		}
		if errors.Is(err, ErrNone) != (h == nil) {
			t.Fatalf("got %v and %v", h, err)
		}
		if h == nil {
			return
		}
		if n := len(h.JA4()); n != 10+1+12+1+12 {
			t.Errorf("got a JA4 of %d characters: %s", n, h.JA4())
		}
		if len(h.JA3Hash()) != 32 {
			t.Errorf("got a JA3 of %s", h.JA3Hash())
		}
		if h.RecordLimit < 0 || h.RecordLimit >= maxRecord {
			t.Errorf("got a limit of %d bytes", h.RecordLimit)
		}
		Names(h.Suites, SuiteName)
		Names(h.Extensions, ExtensionName)
	})
}

// A ClientHello is read in a few microseconds, when somebody looks at it.
func BenchmarkParse(b *testing.B) {
	read := chrome(b, "45-51-16-65037-23-17613-0-11-10-43-65281-35-18-5-13-27")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(read); err != nil {
			b.Fatal(err)
		}
	}
}
