package flow

// Fingerprint is what the ClientHello of a device's connection tells of its TLS stack.
type Fingerprint struct {
	// JA3 is the MD5 form, in 32 hexadecimal digits, JA4 the text of 36 characters. They
	// are empty when they are not known.
	JA3, JA4 string
	// Resumes says that the device offered to resume a session. Such a ClientHello has
	// other extensions, and so other fingerprints, than a first one.
	Resumes bool
}

// The keys of the metadata for fingerprints.
const (
	ja3Key     = "starproxy.ja3"
	ja4Key     = "starproxy.ja4"
	resumesKey = "starproxy.resumes"
)

// Fingerprint returns the fingerprint of the device's connection. It is zero when the
// recording has none.
func (f *Flow) Fingerprint() Fingerprint {
	p := Fingerprint{}
	p.JA3, _ = f.Metadata[ja3Key].(string)
	p.JA4, _ = f.Metadata[ja4Key].(string)
	p.Resumes, _ = f.Metadata[resumesKey].(bool)
	return p
}

// SetFingerprint notes the fingerprint of the device's connection in the metadata. The
// zero Fingerprint changes nothing.
func (f *Flow) SetFingerprint(p Fingerprint) {
	set := func(key string, value any) {
		if f.Metadata == nil {
			f.Metadata = map[string]any{}
		}
		f.Metadata[key] = value
	}
	if p.JA3 != "" {
		set(ja3Key, p.JA3)
	}
	if p.JA4 != "" {
		set(ja4Key, p.JA4)
	}
	if p.Resumes {
		set(resumesKey, true)
	}
}
