package flow

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A HAR document of all kinds of exchanges, and of recordings of mitmproxy, keeps to the
// schema of HAR 1.2.
func TestHARSchema(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("testdata", "har.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, flows ...*Flow) {
		t.Helper()
		var out bytes.Buffer
		if err := WriteHAR(&out, each(flows), "1.0"); err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(&out)
		if err == nil {
			err = schema.Validate(doc)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, e := range exchanges() {
		check(name, FromEntry(e, nil, nil, uuid.UUID{1}))
	}
	for name := range samples(t) {
		file, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		check(name, all(t, file.Flows())...)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(`{"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": [{}]}}`)))
	if err != nil || schema.Validate(doc) == nil {
		t.Errorf("an entry without anything: got no error, want one (%v)", err)
	}
}
