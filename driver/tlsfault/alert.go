package tlsfault

import "slices"

// Alert is the name of an alert of TLS, such as "bad_certificate".
type Alert string

// alertRow is the number of an alert in the register of IANA, and its name.
type alertRow struct {
	code uint8
	name Alert
}

// alertRows are the alerts of TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 6066, 7301, 7507
// and 8446). https://www.iana.org/assignments/tls-parameters has the register.
func alertRows() []alertRow {
	return []alertRow{
		{0, "close_notify"}, {10, "unexpected_message"}, {20, "bad_record_mac"}, {21, "decryption_failed"}, {22, "record_overflow"},
		{30, "decompression_failure"}, {40, "handshake_failure"}, {41, "no_certificate"}, {42, "bad_certificate"},
		{43, "unsupported_certificate"}, {44, "certificate_revoked"}, {45, "certificate_expired"}, {46, "certificate_unknown"},
		{47, "illegal_parameter"}, {48, "unknown_ca"}, {49, "access_denied"}, {50, "decode_error"}, {51, "decrypt_error"},
		{60, "export_restriction"}, {70, "protocol_version"}, {71, "insufficient_security"}, {80, "internal_error"},
		{86, "inappropriate_fallback"}, {90, "user_canceled"}, {100, "no_renegotiation"}, {109, "missing_extension"},
		{110, "unsupported_extension"}, {111, "certificate_unobtainable"}, {112, "unrecognized_name"},
		{113, "bad_certificate_status_response"}, {114, "bad_certificate_hash_value"}, {115, "unknown_psk_identity"},
		{116, "certificate_required"}, {120, "no_application_protocol"},
	}
}

// Code returns the number of the alert; ok is false for a name that is none.
func (a Alert) Code() (code uint8, ok bool) {
	rows := alertRows()
	i := slices.IndexFunc(rows, func(r alertRow) bool { return r.name == a })
	if i < 0 {
		return 0, false
	}
	return rows[i].code, true
}

// Fatal reports whether an alert ends a connection by its level (RFC 5246 section 7.2).
func (a Alert) Fatal() bool {
	return a != "close_notify" && a != "user_canceled" && a != "no_renegotiation"
}

// UnmarshalText takes the name of an alert.
func (a *Alert) UnmarshalText(text []byte) error {
	var names []string
	for _, r := range alertRows() {
		names = append(names, string(r.name))
	}
	name, err := oneOf(string(text), names)
	*a = Alert(name)
	return err
}
