package bundle

import "time"

// Format is the version of the layout of bundles that this package writes. Bundles of a
// later one are refused.
const Format = 1

// Manifest is the content of manifest.json.
type Manifest struct {
	// Format is the version of the layout, see the constant.
	Format int `json:"format"`
	// Version is that of the starproxy that wrote the bundle.
	Version string `json:"version"`
	// Created is the time of the writing, and First and Last are those of the first and
	// the last exchange, in UTC; the latter are null without exchanges.
	Created time.Time  `json:"created"`
	First   *time.Time `json:"first"`
	Last    *time.Time `json:"last"`
	// Exchanges is the number of exchanges in session.flow.
	Exchanges int `json:"exchanges"`
	// Mode is that of the proxy: mock, passthrough, record, replay or stopped.
	Mode string `json:"mode"`
	// Since and Filter say which exchanges were asked for; empty for all.
	Since  string `json:"since"`
	Filter string `json:"filter"`
	// Seed is the seed of random values; null when they differ every time.
	Seed *uint64 `json:"seed"`
	// Clock is the time that mocks and scripts saw, in RFC 3339; empty while it was that
	// of the system.
	Clock string `json:"clock"`
	// Masked tells how many secrets are masked; null when they are left as they are.
	Masked *Masked `json:"masked"`
	// Files are the other files of the bundle.
	Files []File `json:"files"`
	// LeftOut are the parts of the session that are not in the bundle.
	LeftOut []LeftOut `json:"left_out"`
}

// Masked counts the secrets that have placeholders in a bundle.
type Masked struct {
	// Secrets is the number of different ones.
	Secrets int `json:"secrets"`
	// Places is how often one was replaced, by the kind of place: header, url, body,
	// message or text.
	Places map[string]int `json:"places"`
}

// File is a file of a bundle.
type File struct {
	// Name is its path in the bundle, with slashes.
	Name string `json:"name"`
	// Size is its length in bytes.
	Size int64 `json:"size"`
	// SHA256 is the hash of its content in hexadecimal digits.
	SHA256 string `json:"sha256"`
	// From is its path on the exporter, and Original the hash of its content there. Both
	// are empty for what the exporter has not read from a file; Original is also empty
	// when it is the same as SHA256.
	From     string `json:"from,omitempty"`
	Original string `json:"original_sha256,omitempty"`
}

// LeftOut is a part of a session that a bundle does not have.
type LeftOut struct {
	// Part is a file of the bundle, or an exchange as "GET http://host/path".
	Part string `json:"part"`
	// Reason tells why, as a sentence without a period.
	Reason string `json:"reason"`
}
