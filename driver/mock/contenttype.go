package mock

import (
	"path"
	"strings"
)

// ContentType guesses the content type of a file by the extension of its name. For an
// unknown extension it returns "application/octet-stream". It does not use the tables
// of the operating system, so that a scenario answers the same on every machine.
func ContentType(name string) string {
	switch strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")) {
	case "json", "map":
		return "application/json"
	case "txt", "text", "log", "conf", "cfg", "ini":
		return "text/plain"
	case "html", "htm":
		return "text/html"
	case "css":
		return "text/css"
	case "csv":
		return "text/csv"
	case "js", "mjs":
		return "text/javascript"
	case "md":
		return "text/markdown"
	case "xml", "xsl":
		return "text/xml"
	case "yaml", "yml":
		return "application/yaml"
	case "ics":
		return "text/calendar"
	case "vtt":
		return "text/vtt"
	case "pdf":
		return "application/pdf"
	case "zip":
		return "application/zip"
	case "tar":
		return "application/x-tar"
	case "wasm":
		return "application/wasm"
	case "apk":
		return "application/vnd.android.package-archive"
	case "m3u8":
		return "application/vnd.apple.mpegurl"
	case "mpd":
		return "application/dash+xml"
	case "pem", "crt", "cer", "der":
		return "application/x-x509-ca-cert"
	case "p12", "pfx":
		return "application/x-pkcs12"
	case "png":
		return "image/png"
	case "jpg", "jpeg":
		return "image/jpeg"
	case "gif":
		return "image/gif"
	case "svg":
		return "image/svg+xml"
	case "webp":
		return "image/webp"
	case "avif":
		return "image/avif"
	case "bmp":
		return "image/bmp"
	case "ico":
		return "image/vnd.microsoft.icon"
	case "tif", "tiff":
		return "image/tiff"
	case "mp3":
		return "audio/mpeg"
	case "aac":
		return "audio/aac"
	case "m4a":
		return "audio/mp4"
	case "ogg", "oga", "opus":
		return "audio/ogg"
	case "wav":
		return "audio/x-wav"
	case "flac":
		return "audio/flac"
	case "mp4", "m4v", "m4s":
		return "video/mp4"
	case "ts":
		return "video/mp2t"
	case "webm":
		return "video/webm"
	case "mpeg", "mpg":
		return "video/mpeg"
	case "mov":
		return "video/quicktime"
	case "mjpeg", "mjpg":
		return "video/x-motion-jpeg"
	case "ttf":
		return "font/ttf"
	case "otf":
		return "font/otf"
	case "woff":
		return "font/woff"
	case "woff2":
		return "font/woff2"
	}
	return "application/octet-stream"
}
