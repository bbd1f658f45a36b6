package importer

import (
	"os"
	"path/filepath"
	"testing"

	"starproxy/driver/document"
)

// FuzzImport reads documents of strangers as those of each tool: a scenario of each
// must be a document, whatever is in the source.
func FuzzImport(f *testing.F) {
	for _, path := range sources {
		filepath.WalkDir(filepath.Join("testdata", path), func(name string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Ext(name) == ".json" {
				data, _ := os.ReadFile(name)
				f.Add(string(data))
			}
			return err
		})
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []Kind{WireMock, MockServer, Postman, Mockoon} {
			root, err := document.Read("x.json", []byte(text))
			if err != nil {
				return
			}
			c := newConversion(Options{FilesDir: "files"})
			if err := c.document(kind, root, source{file: "x.json", dir: t.TempDir()}); err != nil {
				continue
			}
			got, err := c.result()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := document.Read("x.yaml", []byte(got.Text)); err != nil {
				t.Errorf("%v\n%s", err, got.Text)
			}
		}
	})
}
