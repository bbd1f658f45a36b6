package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// ask is a request, and the answer that the tool of the source gives to it.
type ask struct {
	Ask     string            `json:"ask"` // "METHOD /path"
	Headers map[string]string `json:"headers"`
	Send    string            `json:"send"`

	Status int               `json:"status"` // 0 is 200
	Body   string            `json:"body"`
	Base64 string            `json:"base64"` // the body, if it is not text
	Like   string            `json:"like"`   // or what its text matches
	Have   map[string]string `json:"have"`   // headers
	Breaks bool              `json:"breaks"` // there is no answer
	Millis int               `json:"millis"` // the answer takes at least so long
}

// TestImported imports the files of each tool, runs the scenario, and asks it through
// the proxy what the tool could be asked.
func TestImported(t *testing.T) {
	t.Parallel()
	data := filepath.Join("..", "importer", "testdata")
	for name, file := range map[string]string{"wiremock": "wiremock", "mockserver": "mockserver.json", "postman": "postman.json",
		"mockoon": filepath.Join("mockoon", "environment.json"), "har": "session.har"} {
		for _, ext := range []string{".yaml", ".star"} {
			t.Run(name+ext, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(tempDir(t), "imported"+ext)
				c := newConsole()
				c.Name = "starproxy"
				if code := c.run(t.Context(), []string{"scenario", "import", filepath.Join(data, file), "-o", path}); code != 0 {
					t.Fatalf("exit code %d: %s", code, &c.stderr)
				}
				text, err := os.ReadFile(filepath.Join(data, name+".asks.json"))
				if err != nil {
					t.Fatal(err)
				}
				var asks []ask
				if err := json.Unmarshal(text, &asks); err != nil {
					t.Fatal(err)
				}
				port := freePort(t)
				r := startRun(t, "  curl", []string{"XDG_DATA_HOME=" + tempDir(t)}, "--port", port, "--scenario", path)
				defer r.stop(t)
				client := &http.Client{
					Transport:     &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:" + port})},
					CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
				}
				defer client.CloseIdleConnections()
				for _, a := range asks {
					a.check(t, client)
				}
			})
		}
	}
}

func (a *ask) check(t *testing.T, client *http.Client) {
	t.Helper()
	method, target, _ := strings.Cut(a.Ask, " ")
	if strings.HasPrefix(target, "/") {
		target = "http://device.example" + target
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(a.Send))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range a.Headers {
		req.Header.Set(name, value)
	}
	begin := time.Now()
	resp, err := client.Do(req)
	if err != nil || a.Breaks {
		if !a.Breaks {
			t.Errorf("%s: %v", a.Ask, err)
		} else if err == nil {
			resp.Body.Close()
			t.Errorf("%s: got %s, want a broken connection", a.Ask, resp.Status)
		}
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s: %v", a.Ask, err)
	}
	if took := time.Since(begin); took < time.Duration(a.Millis)*time.Millisecond {
		t.Errorf("%s: answered after %v, want at least %d ms", a.Ask, took, a.Millis)
	}
	if want := max(a.Status, 200); a.Status != resp.StatusCode && want != resp.StatusCode {
		t.Errorf("%s: got status %d %s, want %d", a.Ask, resp.StatusCode, body, want)
	}
	want := []byte(a.Body)
	if a.Base64 != "" {
		if want, err = base64.StdEncoding.DecodeString(a.Base64); err != nil {
			t.Fatal(err)
		}
	}
	if a.Like != "" {
		if !regexp.MustCompile(a.Like).Match(body) {
			t.Errorf("%s: got body %q, want a match of %s", a.Ask, body, a.Like)
		}
	} else if !bytes.Equal(body, want) {
		t.Errorf("%s: got body %q, want %q", a.Ask, body, want)
	}
	for name, value := range a.Have {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s: got header %s %q, want %q", a.Ask, name, got, value)
		}
	}
}

// TestImportToStdout prints a scenario, and refuses one that has files.
func TestImportToStdout(t *testing.T) {
	t.Parallel()
	data := filepath.Join("..", "importer", "testdata")
	for _, c := range []struct {
		file, stdout, stderr string
		code                 int
	}{
		{"mockserver.json", "endpoints:\n", "mockserver.json:87:34: left out: httpResponseClassCallback has no counterpart", exitOK},
		{"wiremock", "", "2 body files cannot be written to standard output: name the scenario with -o FILE", exitUsage},
		{"nothing.json", "", "nothing.json: no such file", exitFailure},
	} {
		s := newConsole()
		s.Name = "starproxy"
		code := s.run(t.Context(), []string{"scenario", "import", filepath.Join(data, c.file)})
		if code != c.code || !strings.Contains(s.stdout.String(), c.stdout) || !strings.Contains(s.stderr.String(), c.stderr) {
			t.Errorf("%s: exit code %d\nstdout\n%s\nstderr\n%s", c.file, code, &s.stdout, &s.stderr)
		}
	}
}
