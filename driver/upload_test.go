package driver

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestUploadInParts(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	files := filepath.Join(b.dir, "mock-files")
	part := func(want, path, id string, offset int, text string, last bool) {
		t.Helper()
		b.want(want, "upload_mock_file_part", path, id, float64(offset), base64.StdEncoding.EncodeToString([]byte(text)), last)
	}
	read := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(filepath.Join(files, "fw/a.bin")); string(got) != want && (err == nil || want != "") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	temps := func(want int) {
		t.Helper()
		found, _ := filepath.Glob(filepath.Join(files, "fw", ".*.part-*"))
		if len(found) != want {
			t.Errorf("got %q, want %d", found, want)
		}
	}

	part("Received: fw/a.bin (4 bytes so far)", "fw/a.bin", "1", 0, "one ", false)
	part("INVALID_ARGUMENT upload_mock_file_part: argument offset: got 5, want 4", "fw/a.bin", "1", 5, "x", false)
	part("INVALID_ARGUMENT upload_mock_file_part: argument offset: got 0, want 4", "fw/a.bin", "1", 0, "x", false)
	part(`INVALID_ARGUMENT upload_mock_file_part: argument relative_path: got "b", want "fw/a.bin" as in the parts before`, "b", "1", 4, "x", false)
	// Two who upload the same file don't mix.
	part("Received: fw/a.bin (2 bytes so far)", "fw/a.bin", "2", 0, "AB", false)
	part("Received: fw/a.bin (7 bytes so far)", "fw/a.bin", "1", 4, "two", false)
	read("")
	temps(2)
	part("Uploaded: fw/a.bin (7 bytes)", "fw/a.bin", "1", 7, "", true)
	read("one two")
	part("Uploaded: fw/a.bin (3 bytes)", "fw/a.bin", "2", 2, "C", true)
	read("ABC")
	temps(0)
	part("INVALID_ARGUMENT upload_mock_file_part: argument offset: got 7, want 0", "fw/a.bin", "1", 7, "", true)

	for _, path := range []string{"", "../x", "/x", "fw", "fw/", ".", "a\x00b"} {
		part("INVALID_ARGUMENT Invalid file path: "+path, path, "3", 0, "x", true)
	}
	if err := os.Symlink(b.dir, filepath.Join(files, "out")); err != nil {
		t.Fatal(err)
	}
	part("INVALID_ARGUMENT Invalid file path: out/x", "out/x", "3", 0, "x", true)
	b.want("INVALID_ARGUMENT upload_mock_file_part: argument content_base64: illegal base64 data at input byte 0", "upload_mock_file_part", "a", "3", 0.0, "*")
	b.want("INVALID_ARGUMENT upload_mock_file_part: argument offset: got 0.5, want a whole number", "upload_mock_file_part", "a", "3", 0.5, "")

	// What nobody goes on with goes away: after a while, at the end, and, after
	// a crash, with the next upload to the same directory.
	part("Received: fw/a.bin (1 bytes so far)", "fw/a.bin", "4", 0, "x", false)
	up := b.d.files.files["4"]
	b.d.files.expire("4", up)
	temps(1)
	up.last = time.Now().Add(-uploadIdle)
	b.d.files.expire("4", up)
	temps(0)
	// Dates don't matter: the clock may have been set.
	for _, age := range []time.Duration{0, 1000 * time.Hour, -1000 * time.Hour} {
		dead := b.write("mock-files/fw/.a.bin.part-"+rand.Text(), "x")
		if err := os.Chtimes(dead, time.Now().Add(-age), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	part("Received: fw/a.bin (1 bytes so far)", "fw/a.bin", "5", 0, "x", false)
	temps(1)
	under := b.d.files.files["5"].part.File().Name()
	if err := os.Chtimes(under, time.Unix(0, 0), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	part("Uploaded: fw/b.bin (1 bytes)", "fw/b.bin", "6", 0, "x", true)
	temps(1)
	for i := range maxUploads - 1 {
		part("Received: many (0 bytes so far)", "many", strings.Repeat("i", i+1), 0, "", false)
	}
	part("FAILED_PRECONDITION upload_mock_file_part: 64 other files are being uploaded, which is the most", "many", "x", 0, "", false)
	if err := b.d.Close(); err != nil {
		t.Error(err)
	}
	temps(0)
	part("FAILED_PRECONDITION the driver is closed", "fw/a.bin", "6", 0, "x", false)
	read("ABC")
}
