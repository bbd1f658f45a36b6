package interop

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command runs a program that must succeed, for what a test prepares.
func command(t testing.TB, dir string, argv ...string) string {
	t.Helper()
	out := run(t, dir, environ(nil, "HOME="+dir), argv...)
	if out.code != 0 {
		t.Fatalf("%s: %s", strings.Join(argv, " "), out)
	}
	return out.stdout
}

// recordThenReplay starts the bench in record mode, has visit talk to real
// servers, closes them, and has visit talk to the recording.
func (b *bench) recordThenReplay(t *testing.T, servers []*httptest.Server, visit func(t *testing.T, phase string)) {
	t.Helper()
	b.mustJ(t, b.dir, "proxy", "start", "-m", "record")
	t.Run("record", func(t *testing.T) { visit(t, "record") })
	_, saved, ok := strings.Cut(strings.TrimSpace(b.mustJ(t, b.dir, "proxy", "stop")), "Flow saved to: ")
	if !ok {
		t.Fatal("no recording was saved")
	}
	for _, s := range servers {
		s.Close()
	}
	b.mustJ(t, b.dir, "proxy", "start", "-m", "replay", "--replay-file", saved)
	t.Run("replay", func(t *testing.T) { visit(t, "replay") })
}

// git clones a repository over its own protocol and over plain files.
func TestGit(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	git := program(t, "git")
	dir := tempDir(t)
	work, bare := filepath.Join(dir, "work"), filepath.Join(dir, "repo.git")
	write(t, filepath.Join(work, "file"), strings.Repeat("firmware ", 100000))
	command(t, work, git, "init", "-q", "-b", "main")
	command(t, work, git, "add", ".")
	command(t, work, git, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "first")
	command(t, dir, git, "clone", "-q", "--bare", work, bare)
	command(t, bare, git, "update-server-info")
	backend := filepath.Join(strings.TrimSpace(command(t, dir, git, "--exec-path")), "git-http-backend")

	mux := http.NewServeMux()
	mux.Handle("/dumb/", http.StripPrefix("/dumb/", http.FileServer(http.Dir(dir))))
	mux.Handle("/smart/", &cgi.Handler{Path: backend, Root: "/smart",
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + dir}})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	b := ours(t, "")
	ca := ""
	b.recordThenReplay(t, []*httptest.Server{server}, func(t *testing.T, _ string) {
		if ca == "" {
			ca = b.certificate(t)
		}
		for _, way := range []string{"smart", "dumb"} {
			to := filepath.Join(t.TempDir(), way)
			env := environ(nil, "HOME="+dir, "GIT_SSL_CAINFO="+ca) // goes before what the machine has set
			out := run(t, dir, env, git, "-c", fmt.Sprintf("http.proxy=http://127.0.0.1:%d", b.port), "clone", "-q", server.URL+"/"+way+"/repo.git", to)
			if out.code != 0 {
				t.Errorf("%s: %s", way, out)
				continue
			}
			if out := run(t, dir, env, "cmp", filepath.Join(to, "file"), filepath.Join(work, "file")); out.code != 0 {
				t.Errorf("%s: %s", way, out)
			}
		}
	})
}

// apt updates its lists and fetches a package.
func TestApt(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	apt := program(t, "apt-get")
	debTool := program(t, "dpkg-deb")
	dir := tempDir(t)
	repo := filepath.Join(dir, "repo")
	write(t, filepath.Join(dir, "hello", "DEBIAN", "control"), "Package: starproxy-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: test\n")
	os.Chmod(filepath.Join(dir, "hello", "DEBIAN"), 0o755)
	os.Chmod(filepath.Join(dir, "hello"), 0o755)
	os.Mkdir(repo, 0o755)
	command(t, dir, debTool, "--build", "--root-owner-group", "hello", filepath.Join(repo, "starproxy-hello_1.0_all.deb"))
	deb, err := os.ReadFile(filepath.Join(repo, "starproxy-hello_1.0_all.deb"))
	if err != nil {
		t.Fatal(err)
	}
	control := command(t, dir, debTool, "-f", filepath.Join(repo, "starproxy-hello_1.0_all.deb"))
	write(t, filepath.Join(repo, "Packages"), fmt.Sprintf("%sFilename: ./starproxy-hello_1.0_all.deb\nSize: %d\nSHA256: %x\n\n", control, len(deb), sha256.Sum256(deb)))

	server := httptest.NewTLSServer(http.FileServer(http.Dir(repo)))
	t.Cleanup(server.Close)
	b := ours(t, "")
	b.recordThenReplay(t, []*httptest.Server{server}, func(t *testing.T, _ string) {
		home := tempDir(t)
		for _, d := range []string{"state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "dpkg"} {
			os.MkdirAll(filepath.Join(home, d), 0o755)
		}
		write(t, filepath.Join(home, "sources.list"), "deb [trusted=yes] "+server.URL+" ./\n")
		write(t, filepath.Join(home, "dpkg", "status"), "")
		options := []string{"-o", "Dir::State=" + home + "/state", "-o", "Dir::Cache=" + home + "/cache", "-o", "Dir::Etc=" + home + "/etc",
			"-o", "Dir::Etc::sourcelist=" + home + "/sources.list", "-o", "Dir::State::status=" + home + "/dpkg/status", "-o", "APT::Sandbox::User=root",
			"-o", fmt.Sprintf("Acquire::https::Proxy=http://127.0.0.1:%d", b.port), "-o", "Acquire::https::CAInfo=" + b.certificate(t), "-o", "Acquire::Retries=0", "-o", "Debug::NoLocking=1"}
		command(t, home, append([]string{apt, "update"}, options...)...)
		command(t, home, append([]string{apt, "download", "starproxy-hello"}, options...)...)
		got, err := os.ReadFile(filepath.Join(home, "starproxy-hello_1.0_all.deb"))
		if err != nil || !bytes.Equal(got, deb) {
			t.Errorf("the package is not what the server has: %d bytes, %v", len(got), err)
		}
	})
}

// zsync fetches only the parts of a file that it lacks, in answers with many ranges.
func TestZsync(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	zsync, make, timeout := program(t, "zsync"), program(t, "zsyncmake"), program(t, "timeout")
	file := noise(2 << 20)
	old := bytes.Clone(file)
	for at := 100_000; at < len(old); at += 300_000 {
		copy(old[at:], bytes.Repeat([]byte{'-'}, 5000))
	}
	b := ours(t, "      mocks:\n        GET /fw.bin: {file: fw.bin}\n        GET /fw.zsync: {file: fw.zsync}\n")
	files := filepath.Join(b.dir, "mock-files")
	write(t, filepath.Join(files, "fw.bin"), string(file))
	command(t, files, make, "-u", "fw.bin", "-o", "fw.zsync", "fw.bin")
	get := func(t *testing.T, base string) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "old"), string(old))
		// An answer that it can't read makes zsync ask for ever.
		out := run(t, dir, environ(nil, "HOME="+dir, fmt.Sprintf("http_proxy=http://127.0.0.1:%d", b.port)),
			timeout, "30", zsync, "-q", "-i", "old", "-o", "out", base+"/fw.zsync")
		got, _ := os.ReadFile(filepath.Join(dir, "out"))
		if out.code != 0 || !bytes.Equal(got, file) {
			t.Fatalf("got %d bytes, want the %d bytes of the file: %s", len(got), len(file), out)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			http.ServeFile(w, r, filepath.Join(files, filepath.Base(r.URL.Path)))
			return
		}
		serveRanges(w, r.Header.Get("Range"), file)
	}))
	t.Cleanup(server.Close)
	b.recordThenReplay(t, []*httptest.Server{server}, func(t *testing.T, _ string) { get(t, server.URL) })
	b.mustJ(t, b.dir, "proxy", "restart", "-m", "mock")
	t.Run("mock", func(t *testing.T) { get(t, "http://no-such-host.invalid") })
	if out := b.mustJ(t, b.dir, "proxy", "capture", "list"); !strings.Contains(out, "206") {
		t.Errorf("zsync asked for no ranges:\n%s", out)
	}
}

// serveRanges answers with the ranges asked for in the form of nginx, which
// zsync needs: a line break comes before the first boundary.
func serveRanges(w http.ResponseWriter, header string, file []byte) {
	var body bytes.Buffer
	specs := strings.Split(strings.TrimPrefix(header, "bytes="), ",")
	for _, spec := range specs {
		var first, last int
		if _, err := fmt.Sscanf(strings.TrimSpace(spec), "%d-%d", &first, &last); err != nil || first > last || last >= len(file) {
			http.Error(w, header, http.StatusRequestedRangeNotSatisfiable)
			return
		}
		place := fmt.Sprintf("bytes %d-%d/%d", first, last, len(file))
		if len(specs) == 1 {
			w.Header().Set("Content-Range", place)
		} else {
			fmt.Fprintf(&body, "\r\n--00000000000000000042\r\nContent-Type: application/octet-stream\r\nContent-Range: %s\r\n\r\n", place)
		}
		body.Write(file[first : last+1])
	}
	if len(specs) > 1 {
		w.Header().Set("Content-Type", "multipart/byteranges; boundary=00000000000000000042")
		body.WriteString("\r\n--00000000000000000042--\r\n")
	}
	w.Header().Set("Content-Length", fmt.Sprint(body.Len()))
	w.WriteHeader(http.StatusPartialContent)
	w.Write(body.Bytes())
}

// swupdate installs an image whose download breaks off twice.
func TestSwupdate(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	swupdate, openssl := program(t, "swupdate"), program(t, "openssl")
	b := ours(t, "", "--start", "mock")
	dir := tempDir(t)
	image := noise(3 << 20)
	installed := filepath.Join(dir, "installed.img")
	write(t, filepath.Join(dir, "sw-description"), fmt.Sprintf(`software = {
  version = "1.0";
  hardware-compatibility: [ "1.0" ];
  files: ( { filename = "rootfs.img"; path = %q; sha256 = "%x"; } );
}
`, installed, sha256.Sum256(image)))
	command(t, dir, openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=update", "-addext", "extendedKeyUsage=emailProtection")
	command(t, dir, openssl, "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig", "-signer", "cert.pem", "-inkey", "key.pem", "-outform", "DER", "-nosmimecap", "-binary")
	var archive bytes.Buffer
	for _, name := range []string{"sw-description", "sw-description.sig"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		addToCpio(&archive, name, data)
	}
	addToCpio(&archive, "rootfs.img", image)
	addToCpio(&archive, "TRAILER!!!", nil)
	write(t, filepath.Join(b.dir, "mock-files", "image.swu"), archive.String())
	write(t, filepath.Join(b.dir, "mock-responses", "ota.star"), `load("@stdlib//ota.star", "firmware")
endpoints = {"GET /image.swu": firmware(file = "image.swu", break_after = 700000, breaks = 2)}
`)
	b.mustJ(t, b.dir, "proxy", "mock", "load", filepath.Join(b.dir, "mock-responses", "ota.star"))
	cmd := exec.Command(swupdate, "-H", "board:1.0", "-k", "cert.pem", "-M", "-m", "-l", "5", "-d", "-u http://no-such-host.invalid/image.swu -r 5")
	cmd.Dir = dir
	cmd.Env = environ(nil, "HOME="+dir, "TMPDIR="+dir, fmt.Sprintf("http_proxy=http://127.0.0.1:%d", b.port))
	out, err := cmd.CombinedOutput()
	got, _ := os.ReadFile(installed)
	if err != nil || !bytes.Equal(got, image) {
		t.Errorf("%v, installed %d bytes, want the %d bytes of the image\n%s", err, len(got), len(image), out)
	}
	if n := strings.Count(b.mustJ(t, b.dir, "proxy", "capture", "list"), "206 "); n < 2 {
		t.Errorf("swupdate resumed %d times, want 2", n)
	}
}

// addToCpio appends a file in the format that swupdate reads: cpio's "newc"
// with checksums.
func addToCpio(b *bytes.Buffer, name string, data []byte) {
	var sum uint32
	for _, c := range data {
		sum += uint32(c)
	}
	fmt.Fprintf(b, "070702%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, sum)
	b.WriteString(name)
	b.WriteByte(0)
	pad := func() {
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	pad()
	b.Write(data)
	pad()
}
