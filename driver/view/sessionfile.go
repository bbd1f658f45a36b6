package view

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"path/filepath"

	"starproxy/driver/bundle"
)

// OpenSession opens the file of a session, see [bundle.Open], and reads it. Its exchanges may
// take maxBytes of memory, 0 for 1 GiB: the oldest are left out beyond it. close releases both.
func OpenSession(path string, maxBytes int64) (s *Session, close func(), err error) {
	file, err := bundle.Open(path)
	if err != nil {
		return nil, nil, err
	}
	s, err = newSession(file.Flows(), knownOf(file), cmp.Or(maxBytes, journalBytes))
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	for _, w := range file.Warnings() {
		if len(s.Faults) < maxFaults {
			s.Faults = append(s.Faults, w)
		}
	}
	return s, func() {
		s.Close()
		file.Close()
	}, nil
}

// knownOf returns what a bundle knows besides the exchanges.
func knownOf(file *bundle.Session) Known {
	return Known{
		Name: filepath.Base(file.Path()), Status: text(file, bundle.Status), TLS: text(file, bundle.TLS),
		Manifest: text(file, bundle.Manifests), Timeline: Events(text(file, bundle.Timeline)),
	}
}

// text returns the content of a file of a bundle, nil when there is none.
func text(file *bundle.Session, name string) []byte {
	data, err := file.Read(name)
	if err != nil {
		return nil
	}
	return data
}

// maxEvents bounds the events of a timeline.
const maxEvents = 100_000

// Events returns the JSON objects of a text with one in each line, at most maxEvents of
// them. Lines that are none are left out.
func Events(lines []byte) []json.RawMessage {
	var list []json.RawMessage
	scan := bufio.NewScanner(bytes.NewReader(lines))
	scan.Buffer(nil, 16<<20)
	for scan.Scan() && len(list) < maxEvents {
		if line := scan.Bytes(); isObject(line) {
			list = append(list, bytes.Clone(bytes.TrimSpace(line)))
		}
	}
	return list
}
