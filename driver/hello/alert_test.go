package hello

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	for n := range 256 {
		a := Alert(n)
		name, meaning := a.row()
		if (name == "") != (meaning == "") {
			t.Errorf("%d: got the name %q with the meaning %q", n, name, meaning)
		}
		if known := tls.AlertError(n).Error() != fmt.Sprintf("tls: alert(%d)", n); known && name == "" {
			t.Errorf("%d: got no name, crypto/tls has %q", n, tls.AlertError(n))
		}
		if again, ok := AlertNamed(name); name != "" && (!ok || again != a) {
			t.Errorf("AlertNamed(%q): got %d, want %d", name, again, a)
		}
	}
	if got, want := Alert(99).String(), "alert 99"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, ok := AlertNamed(""); ok {
		t.Error("the empty name has an alert")
	}
	if names := strings.Join(AlertNames(), " "); !strings.HasPrefix(names, "close_notify unexpected_message ") ||
		!strings.HasSuffix(names, " ech_required") {
		t.Errorf("got the names %s", names)
	}
}

// The alert of a device that does not trust the certificate is told by its error.
func TestReceived(t *testing.T) {
	t.Parallel()
	c, s := net.Pipe()
	go tls.Client(c, &tls.Config{ServerName: "a.test", VerifyConnection: func(tls.ConnectionState) error {
		return x509.UnknownAuthorityError{}
	}, InsecureSkipVerify: true}).Handshake() //nolint:errcheck // the other side is tested
	err := tls.Server(s, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}).Handshake()
	if a, ok := Received(err); !ok || a != BadCertificate {
		t.Errorf("got %v %v of %v, want bad_certificate", a, ok, err)
	}
	for _, err := range []error{nil, errors.New("EOF"), &net.OpError{Op: "local error", Err: tls.AlertError(40)}} {
		if a, ok := Received(err); ok {
			t.Errorf("%v: got %v, want none", err, a)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for read, want := range map[string]Alert{
		"\x15\x03\x03\x00\x02\x02\x30":                         UnknownCA,
		"\x14\x03\x03\x00\x01\x01\x15\x03\x01\x00\x02\x02\x2e": CertificateUnknown,
		"\x15\x03\x03\x00\x02\x01\x5a":                         UserCanceled,
	} {
		if a, ok := Plain([]byte(read)); !ok || a != want {
			t.Errorf("%x: got %v %v, want %v", read, a, ok, want)
		}
	}
	for _, read := range []string{"", "\x15\x03\x03\x00\x02\x02", "\x17\x03\x03\x00\x02\x02\x30", "\x15\x03\x03\x00\x13\x02\x30",
		"\x15\x03\x03\x00\x02\x09\x30"} {
		if a, ok := Plain([]byte(read)); ok {
			t.Errorf("%x: got %v, want none", read, a)
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"a.test"}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
