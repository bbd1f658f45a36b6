package export

import (
	"maps"
	"mime"
	"slices"
	"strings"

	"starproxy/builtins/exchange"
	"starproxy/driver/capture"
)

// The bounds of names, below those of file systems.
const (
	maxSegment  = 100
	maxSegments = 20
	maxSuffix   = 100
)

// fileName returns the name for the file of a body, responses/METHOD/path_key-value,
// and its extension.
func fileName(e *capture.Entry) (base, ext string) {
	ext = extension(e.ResponseHeader.Get("Content-Type"))
	var segments []string
	for s := range strings.SplitSeq(e.Path(), "/") {
		s = strings.Trim(clean(s, "-_."), "_")
		if strings.Trim(s, ".") != "" {
			segments = append(segments, s[:min(len(s), maxSegment)])
		}
	}
	segments = segments[:min(len(segments), maxSegments)]
	if len(segments) == 0 {
		segments = []string{"root"}
	}
	base = "responses/" + clean(e.Method, "-_") + "/" + strings.Join(segments, "/")
	base += querySuffix(e)
	if trimmed := strings.TrimSuffix(base, ext); !strings.HasSuffix(trimmed, "/") {
		base = trimmed
	}
	return base, ext
}

func querySuffix(e *capture.Entry) string {
	q := exchange.Values(exchange.QueryOf(e.Target))
	s := ""
	for _, name := range slices.Sorted(maps.Keys(q)) {
		s += "_" + dashed(name) + "-" + dashed(strings.Join(q[name], "-"))
		if len(s) > maxSuffix {
			return s[:maxSuffix]
		}
	}
	return s
}

// clean replaces what is not a letter, a digit, or one of others by "_".
func clean(s, others string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(others, r) {
			return r
		}
		return '_'
	}, s)
}

func dashed(s string) string { return strings.ReplaceAll(clean(s, "-."), "_", "-") }

// extension returns the usual ending of a content type's files.
func extension(contentType string) string {
	bare, _, _ := strings.Cut(contentType, ";")
	bare = strings.ToLower(strings.TrimSpace(bare))
	switch bare {
	case "":
		return ".bin"
	case "application/json":
		return ".json"
	case "text/plain":
		return ".txt"
	case "text/html":
		return ".html"
	case "application/javascript", "text/javascript":
		return ".js"
	case "image/jpeg":
		return ".jpg"
	case "application/octet-stream":
		return ".bin"
	case "application/gzip":
		return ".gz"
	case "application/x-protobuf":
		return ".pb"
	case "application/x-tar":
		return ".tar"
	case "application/x-firmware":
		return ".fw"
	case "application/zip":
		return ".zip"
	case "audio/mpeg":
		return ".mp3"
	case "audio/aac":
		return ".aac"
	case "audio/ogg":
		return ".ogg"
	case "video/mp4":
		return ".mp4"
	case "video/webm":
		return ".webm"
	case "video/mpeg":
		return ".mpg"
	case "text/csv":
		return ".csv"
	case "text/xml", "application/xml":
		return ".xml"
	}
	if strings.HasSuffix(bare, "+json") {
		return ".json"
	}
	if list, err := mime.ExtensionsByType(bare); err == nil && len(list) > 0 {
		return list[0]
	}
	if strings.HasSuffix(bare, "+xml") {
		return ".xml"
	}
	return ".bin"
}
