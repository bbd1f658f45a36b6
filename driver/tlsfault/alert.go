package tlsfault

import "starproxy/driver/hello"

// Alert is the name of an alert of TLS, such as "bad_certificate".
type Alert string

// Code returns the number of the alert; ok is false for a name that is none.
func (a Alert) Code() (code uint8, ok bool) {
	alert, ok := hello.AlertNamed(string(a))
	return uint8(alert), ok
}

// Fatal reports whether an alert ends a connection by its level (RFC 5246 section 7.2).
func (a Alert) Fatal() bool {
	return a != "close_notify" && a != "user_canceled" && a != "no_renegotiation"
}

// UnmarshalText takes the name of an alert.
func (a *Alert) UnmarshalText(text []byte) error {
	name, err := oneOf(string(text), hello.AlertNames())
	*a = Alert(name)
	return err
}
