package hello

import (
	"crypto/tls"
	"errors"
	"net"
	"strconv"
)

// Alert is the description of a TLS alert (RFC 8446 section 6).
type Alert uint8

// The alerts that this package and its users tell apart.
const (
	CloseNotify          Alert = 0
	BadRecordMAC         Alert = 20
	HandshakeFailure     Alert = 40
	BadCertificate       Alert = 42
	CertificateRevoked   Alert = 44
	CertificateExpired   Alert = 45
	CertificateUnknown   Alert = 46
	UnknownCA            Alert = 48
	ProtocolVersion      Alert = 70
	UserCanceled         Alert = 90
	UnsupportedExtension Alert = 110
	NoApplicationProto   Alert = 120
)

// alerts are the names of RFC 8446 and of those before it, and one sentence each on what
// a device means by it.
func (a Alert) row() (name, meaning string) {
	switch a {
	case CloseNotify:
		return "close_notify", "the device closed the connection in the regular way"
	case 10:
		return "unexpected_message", "the device got a message that it did not expect at this point of the handshake"
	case BadRecordMAC:
		return "bad_record_mac", "the device could not decrypt a record: the two sides have different keys"
	case 21:
		return "decryption_failed", "the device could not decrypt a record: the two sides have different keys"
	case 22:
		return "record_overflow", "the device got a record that is too long for it"
	case 30:
		return "decompression_failure", "the device could not decompress a record"
	case HandshakeFailure:
		return "handshake_failure", "no common cipher suite, group or signature algorithm"
	case 41:
		return "no_certificate", "the device has no certificate of its own to show"
	case BadCertificate:
		return "bad_certificate", "the device finds our certificate corrupt or its signature wrong"
	case 43:
		return "unsupported_certificate", "the device does not support the kind of certificate that we show"
	case CertificateRevoked:
		return "certificate_revoked", "the device was told that our certificate is revoked"
	case CertificateExpired:
		return "certificate_expired", "the device finds our certificate expired or not yet valid: compare its clock with ours"
	case CertificateUnknown:
		return "certificate_unknown", "the device does not accept our certificate, for a reason that it does not tell"
	case 47:
		return "illegal_parameter", "the device got a value in the handshake that it does not allow"
	case UnknownCA:
		return "unknown_ca", "the device does not trust the CA"
	case 49:
		return "access_denied", "the device accepts our certificate and refuses the connection by a rule of its own"
	case 50:
		return "decode_error", "the device could not read a message of the handshake"
	}
	return a.lateRow()
}

// lateRow is row for the alerts above 50.
func (a Alert) lateRow() (name, meaning string) {
	switch a {
	case 51:
		return "decrypt_error", "the device could not verify a signature or the end of the handshake"
	case 60:
		return "export_restriction", "the device is bound to old export rules that the handshake does not keep"
	case ProtocolVersion:
		return "protocol_version", "no common version"
	case 71:
		return "insufficient_security", "the device finds the cipher suite or the key too weak"
	case 80:
		return "internal_error", "the device failed by an error of its own"
	case 86:
		return "inappropriate_fallback", "the server finds that the device could speak a newer version"
	case UserCanceled:
		return "user_canceled", "the device gave the handshake up for a reason outside of TLS"
	case 100:
		return "no_renegotiation", "the device does not negotiate again on an open connection"
	case 109:
		return "missing_extension", "the device misses an extension in our answer"
	case UnsupportedExtension:
		return "unsupported_extension", "the device got an extension that it had not asked for"
	case 111:
		return "certificate_unobtainable", "the device could not fetch a certificate from its address"
	case 112:
		return "unrecognized_name", "the device does not accept the server name"
	case 113:
		return "bad_certificate_status_response", "the device does not accept the OCSP answer that came with our certificate"
	case 114:
		return "bad_certificate_hash_value", "the certificate that the device fetched is another one than was announced"
	case 115:
		return "unknown_psk_identity", "the pre-shared key is not known"
	case 116:
		return "certificate_required", "a certificate of the client is required"
	case NoApplicationProto:
		return "no_application_protocol", "no common protocol in ALPN"
	case 121:
		return "ech_required", "the device insists on an encrypted ClientHello"
	}
	return "", ""
}

// String returns the name of RFC 8446, such as "unknown_ca", or "alert 99" for a number
// without one.
func (a Alert) String() string {
	if name, _ := a.row(); name != "" {
		return name
	}
	return "alert " + strconv.Itoa(int(a))
}

// Meaning returns in one sentence why a device sends the alert.
func (a Alert) Meaning() string {
	if _, meaning := a.row(); meaning != "" {
		return meaning
	}
	return "the device sent an alert that no standard names"
}

// AlertNamed returns the alert with a name of RFC 8446.
func AlertNamed(name string) (Alert, bool) {
	for n := range 256 {
		if s, _ := Alert(n).row(); s == name && s != "" {
			return Alert(n), true
		}
	}
	return 0, false
}

// AlertNames returns the names of all alerts, by their numbers.
func AlertNames() (names []string) {
	for n := range 256 {
		if s, _ := Alert(n).row(); s != "" {
			names = append(names, s)
		}
	}
	return names
}

// Doubts reports whether the alert says that the device does not accept our
// certificate as such: neither its dates nor its revocation are the reason.
func (a Alert) Doubts() bool {
	return a == BadCertificate || a == CertificateUnknown || a == UnknownCA
}

// Plain returns the alert in a record without encryption at the end of read (RFC 8446
// sections 5.1 and 6). OpenSSL sends the alert for a certificate that it refuses so, also
// in TLS 1.3, where crypto/tls expects encryption.
func Plain(read []byte) (Alert, bool) {
	if len(read) < alertRecord {
		return 0, false
	}
	r := read[len(read)-alertRecord:]
	if r[0] != recordAlert || r[1] != 3 || r[3] != 0 || r[4] != 2 || r[5] != 1 && r[5] != 2 {
		return 0, false
	}
	return Alert(r[6]), true
}

// A record with an alert that is not encrypted: its type, and its length in bytes.
const (
	recordAlert = 0x15
	alertRecord = 7
)

// Received returns the alert of the other side that an error of crypto/tls tells.
func Received(err error) (Alert, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	// crypto/tls exports no type for it. Its texts are those of tls.AlertError.
	text := op.Err.Error()
	for n := range 256 {
		if tls.AlertError(n).Error() == text {
			return Alert(n), true
		}
	}
	return 0, false
}
