package flow

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// seeds adds recordings to what a fuzzer starts from.
func seeds(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/*.bin", "testdata/minimal/*.bin"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	for _, flow := range every(f) {
		f.Add(encoded(f, flow))
	}
}

// FuzzReader reads what strangers may have written. A file and a stream give the
// same, and FlowAt gives it again.
func FuzzReader(f *testing.F) {
	seeds(f)
	f.Add([]byte("999999999999:"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if startsHAR(data) {
			t.Skip()
		}
		path := saved(t, "x", data)
		file, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var flows []*Flow
		var errs []string
		narrow := file.reader(16) // goes forth and back in every record
		for flow, err := range file.Flows() {
			other, oerr := narrow.Next()
			if !reflect.DeepEqual(other, flow) || (oerr == nil) != (err == nil) || err != nil && errors.Unwrap(oerr).Error() != errors.Unwrap(err).Error() {
				t.Fatalf("in small steps it is %v and %v, not %v and %v", other, oerr, flow, err)
			}
			if err == nil {
				flows = append(flows, plain(t, flow))
				again, err := file.FlowAt(flow.Offset)
				if err != nil || !reflect.DeepEqual(again, flow) {
					t.Fatalf("flow at %d: %v", flow.Offset, err)
				}
				continue
			}
			bad := (*RecordError)(nil)
			if !errors.As(err, &bad) {
				t.Fatal(err)
			}
			errs = append(errs, bad.Err.Error())
		}
		for flow, err := range NewReader(bytes.NewReader(data), Options{MaxRecord: maxFileRecord}).Flows() {
			bad := (*RecordError)(nil)
			switch {
			case err == nil && len(flows) > 0 && reflect.DeepEqual(plain(t, flow), flows[0]):
				flows = flows[1:]
			case errors.As(err, &bad) && len(errs) > 0 && bad.Err.Error() == errs[0]:
				errs = errs[1:]
			default:
				t.Fatalf("the stream gave %v and %v, the file did not", flow, err)
			}
		}
		if len(flows)+len(errs) > 0 {
			t.Fatalf("the stream lacks %d flows and %d errors", len(flows), len(errs))
		}
	})
}

// FuzzRoundTrip writes what could be read. From then on nothing changes.
func FuzzRoundTrip(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for flow, err := range NewReader(bytes.NewReader(data), Options{}).Flows() {
			if err != nil {
				continue
			}
			// Writers make ids; once made they stay.
			first := all(t, NewReader(bytes.NewReader(encoded(t, flow)), Options{}).Flows())[0]
			once := encoded(t, first)
			second := all(t, NewReader(bytes.NewReader(once), Options{}).Flows())[0]
			if twice := encoded(t, second); !bytes.Equal(once, twice) {
				t.Fatalf("%q is read and written as %q", once, twice)
			}
			if first.Request.Path != flow.Request.Path || !reflect.DeepEqual(first.Request.Header, flow.Request.Header) || !reflect.DeepEqual(first.Response == nil, flow.Response == nil) {
				t.Fatalf("got %s from %s", text(first), text(flow))
			}
			var out bytes.Buffer
			if err := WriteHAR(&out, each([]*Flow{flow}), "test"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzHAR imports what strangers may have written. What comes of it can be
// written in both ways.
func FuzzHAR(f *testing.F) {
	f.Add([]byte(`{"log":{"entries":[` + entry + `]}}`))
	f.Add(exported(f, every(f)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		for flow, err := range readHAR(bytes.NewReader(data), "x.har") {
			if err != nil {
				if bad := (*RecordError)(nil); !errors.As(err, &bad) {
					t.Fatal(err)
				}
				continue
			}
			got := all(t, NewReader(bytes.NewReader(encoded(t, flow)), Options{}).Flows())[0]
			if got.Request.Method != flow.Request.Method || got.Request.Path != flow.Request.Path {
				t.Fatalf("got %s from %s", text(got), text(flow))
			}
			if err := WriteHAR(io.Discard, each([]*Flow{flow}), "test"); err != nil {
				t.Fatal(err)
			}
		}
	})
}
