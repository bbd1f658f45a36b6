package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// str encodes a tnetstring.
func str(tag byte, payload string) string { return fmt.Sprintf("%d:%s%c", len(payload), payload, tag) }

// edited is the record with the value of a key replaced, and the lengths around
// it made right.
func edited(t *testing.T, record []byte, key, raw string) string {
	t.Helper()
	found := false
	var edit func(tag byte, payload string) string
	edit = func(tag byte, payload string) string {
		if tag != tagDict && tag != tagList {
			return str(tag, payload)
		}
		var b strings.Builder
		last := ""
		for i := 0; payload != ""; i++ {
			n, size, err := prefix([]byte(payload[:min(maxPrefix, len(payload))]))
			if err != nil {
				t.Fatal(err)
			}
			end := size + int(n)
			if tag == tagDict && i%2 == 1 && last == key {
				found = true
				b.WriteString(raw)
			} else {
				b.WriteString(edit(payload[end], payload[size:end]))
			}
			last, payload = payload[size:end], payload[end+1:]
		}
		return str(tag, b.String())
	}
	colon := bytes.IndexByte(record, ':')
	result := edit(tagDict, string(record[colon+1:len(record)-1]))
	if !found {
		t.Fatalf("no %q in the record", key)
	}
	return result
}

// outcome is what reading gave: ids of flows and texts of errors.
func outcome(t *testing.T, data []byte, o Options) (got []string) {
	t.Helper()
	file := opened(t, data, o)
	for f, err := range file.Flows() {
		switch {
		case err != nil:
			got = append(got, strings.Replace(err.Error(), "recording "+file.path, "recording", 1))
		default:
			got = append(got, f.ID)
		}
	}
	return got
}

// TestCut cuts a file at each of its bytes. What was whole comes, and an error
// that says so for what wasn't.
func TestCut(t *testing.T) {
	t.Parallel()
	flows := []*Flow{every(t)[2], every(t)[2]}
	first := len(encoded(t, flows[0]))
	data := encoded(t, flows...)
	path := saved(t, "cut.flow", data)
	file, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for n := len(data) - 1; n >= 0; n-- {
		if err := os.Truncate(path, int64(n)); err != nil {
			t.Fatal(err)
		}
		var got []string
		var last error
		for f, err := range file.Flows() {
			if last != nil {
				t.Fatalf("cut at %d: something follows %v", n, last)
			}
			if last = err; err == nil {
				got = append(got, f.ID)
			}
		}
		whole := n / first
		if len(got) != whole || (last == nil) != (n%first == 0) {
			t.Fatalf("cut at %d: %d flows and %v, expected %d", n, len(got), last, whole)
		}
		var bad *RecordError
		if last != nil && (!errors.Is(last, io.ErrUnexpectedEOF) || !errors.As(last, &bad) || bad.Offset != int64(whole*first)) {
			t.Fatalf("cut at %d: got %v", n, last)
		}
	}
}

// TestBadRecords has records that can't be used between ones that can.
func TestBadRecords(t *testing.T) {
	t.Parallel()
	flows := every(t)
	good := encoded(t, flows[2])
	edit := func(key, raw string) string { return edited(t, good, key, raw) }
	swap := func(old, new string) string {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("no %q in a record", old)
		}
		payload := strings.Replace(string(good[bytes.IndexByte(good, ':')+1:len(good)-1]), old, new, 1)
		return str('}', payload)
	}
	deep := "0:]"
	for range 100 {
		deep = str(']', deep)
	}
	const id = "00000000-0000-4000-8000-000000000003"
	for _, test := range []struct{ name, record, want string }{
		{"old", edit("version", "2:13#"), "its format is older than 14, that of mitmproxy 7"},
		{"ancient", edit("version", str(']', "1:0#2:18#")), "its format is older than 14"},
		{"text version", edit("version", "2:17;"), "version: expected an integer, got text"},
		{"no version", swap("7:version;", "7:ersionv;"), "it has no version"},
		{"no type", swap("4:type;", "4:epyt;"), "it has no type"},
		{"no request", swap("7:request;", "7:tseuqer;"), "it has no request"},
		{"list", "3:0:~]", "expected a dictionary, got a list"},
		{"key", "7:1:1#0:~}", "element 1: expected a key, got an integer"},
		{"inner length", edit("host", "99999:x;"), "request: "},
		{"inner prefix", edit("port", "x:80#"), "request: port: expected a length and a colon"},
		{"inner type", edit("port", "2:80@"), "request: port: expected a type at the end of an element"},
		{"port", edit("port", "2:8a#"), `request: port: expected an integer, got "8a"`},
		{"large port", edit("port", "10:8000000000#"), "request: port: 8000000000 is out of range"},
		{"float port", edit("port", "4:80.0^"), "request: port: expected an integer, got a float"},
		{"header", edit("headers", "10:"+str(']', "1:a,")+"0:]]"), "request: headers: "},
		{"short header", edit("headers", str(']', str(']', "1:a,"))), "request: headers: element 1: expected a name and a value"},
		{"empty number", edit("port", "0:#"), "request: port: expected an integer, got 0 bytes"},
		{"deep", edit("metadata", str('}', "1:a;"+deep)), "nested more than 64 deep"},
		{"odd", edit("metadata", str('}', "1:a;")), `"a" has no value`},
		{"boolean", edit("tls", "5:False!"), `expected a boolean, got "False"`},
		{"address", edit("address", str(']', "1:a;1:1;")), "client_conn: address: element 2: expected an integer, got text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := outcome(t, append(append(bytes.Clone(good), test.record...), good...), Options{})
			if len(got) != 3 || got[0] != id || got[2] != id || !strings.Contains(got[1], test.want) ||
				!strings.HasPrefix(got[1], fmt.Sprintf("recording: record at byte %d: ", len(good))) {
				t.Errorf("got %q, expected an error with %q in the middle", got, test.want)
			}
		})
	}
}

// TestBadFraming has what can't be read over.
func TestBadFraming(t *testing.T) {
	t.Parallel()
	good := string(encoded(t, every(t)[2]))
	for _, test := range []struct{ name, record, want string }{
		{"newline", "\n" + good, "expected a length and a colon"},
		{"garbage", "hello" + good, "expected a length and a colon"},
		{"digits", "1234567890123:x", "expected a length and a colon"},
		{"colon", ":x}", "expected a length and a colon"},
		{"minus", "-1:x}", "expected a length and a colon"},
		{"type", good[:len(good)-1] + "?", "what comes next is no record"},
		{"giant", "999999999999:x", "it has 999999999999 bytes: expected at most"},
		{"cut", "9999:x", "cut short, expected 9999 bytes: unexpected EOF"},
		{"cut length", "9999", "unexpected EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := outcome(t, []byte(good+test.record), Options{maxRecord: 1 << 20})
			if len(got) != 2 || !strings.Contains(got[1], test.want) {
				t.Errorf("got %q, expected a flow and an error with %q", got, test.want)
			}
		})
	}
	if got := outcome(t, nil, Options{}); got != nil {
		t.Errorf("an empty file gave %q", got)
	}
}

// TestLenient has records that differ from what is usual and are read.
func TestLenient(t *testing.T) {
	t.Parallel()
	raw21, err := os.ReadFile("testdata/minimal/min-v21.bin")
	if err != nil {
		t.Fatal(err)
	}
	swap := func(pairs ...string) string {
		return str('}', strings.NewReplacer(pairs...).Replace(string(raw21[bytes.IndexByte(raw21, ':')+1:len(raw21)-1])))
	}
	read := func(data string) (*Flow, *File) {
		t.Helper()
		file := opened(t, []byte(data), Options{})
		return all(t, file.Flows())[0], file
	}
	f, r := read(swap("7:version;2:21#", "7:version;2:99#"))
	if w := r.Warnings(); f.Version != 99 || len(w) != 1 || !strings.Contains(w[0], "format 99 is newer than 21") {
		t.Errorf("version %d, warnings %q", f.Version, w)
	}
	if f, _ = read(swap("17:timestamp_created;12:1700000000.0^", "5:extra;0:}")); !f.Created.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("created at %v", f.Created)
	}
	if f, _ = read("000" + swap()); f.Request.Host != "api.example.test" {
		t.Errorf("with leading zeros: %+v", f)
	}
	if f, _ = read(swap("7:comment;0:;", "7:comment;1:a;7:comment;1:b;", "8:metadata;0:}", "8:metadata;"+str('}', "1:i;25:1234567890123456789012345#1:b;2:\xff\x00,"))); f.Comment != "b" ||
		!reflect.DeepEqual(f.Metadata, map[string]any{"i": json.Number("1234567890123456789012345"), "b": []byte("\xff\x00")}) {
		t.Errorf("got %q and %v", f.Comment, f.Metadata)
	}
	for raw, want := range map[string]time.Time{
		"10:1700000001#": time.Unix(1700000001, 0), "3:nan^": {}, "3:inf^": {}, "7:1.7e+09^": time.Unix(1700000000, 0), "3:0.0^": {}, "0:~": {},
		"5:1e300^": {}, "4:-1.5^": time.Unix(-2, 5e8), "12:1700000000.5^": time.Unix(1700000000, 5e8), "14:0001700000000.#": time.Unix(1700000000, 0),
	} {
		if f, _ = read(edited(t, raw21, "timestamp_end", raw)); !f.Request.End.Equal(want) {
			t.Errorf("%s is %v, expected %v", raw, f.Request.End, want)
		}
	}
}

// TestOpen has what can't be opened, and what isn't a file of its own.
func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "got a directory, want a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	data := encoded(t, every(t)...)
	path := saved(t, "grows.flow", data[:10])
	file, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := all(t, file.Flows()); len(got) != 6 {
		t.Errorf("%d flows of a file that has grown", len(got))
	}
	for _, off := range []int64{1, int64(len(data)), 1 << 40} {
		var bad *RecordError
		if _, err := file.FlowAt(off); !errors.As(err, &bad) || bad.Path != path || bad.Offset != off {
			t.Errorf("flow at %d: %v", off, err)
		}
	}
}

func TestReadFails(t *testing.T) {
	t.Parallel()
	file := opened(t, encoded(t, every(t)[2]), Options{})
	file.f.Close()
	n := 0
	for f, err := range file.Flows() {
		if n++; f != nil || !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, %v, want %v", f, err, os.ErrClosed)
		}
	}
	if n != 1 {
		t.Errorf("%d errors, want one, which ends the recording", n)
	}
}

// TestManyMessages reads a WebSocket of a hundred thousand messages, which takes
// no longer per message than a short one.
func TestManyMessages(t *testing.T) {
	t.Parallel()
	f := every(t)[4]
	for range 100_000 {
		f.WebSocket.Messages = append(f.WebSocket.Messages, Message{Data: []byte("tick"), Time: at(3)})
	}
	data := encoded(t, f)
	file, err := Open(saved(t, "long.flow", data))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	messages := all(t, file.Flows())[0].WebSocket.Messages
	if len(messages) != len(f.WebSocket.Messages) || !reflect.DeepEqual(messages[:9], f.WebSocket.Messages[:9]) || string(messages[len(messages)-1].Data) != "tick" {
		t.Error("not what was written")
	}
}

// TestLargeBody passes over bodies that are larger than what is read at once.
func TestLargeBody(t *testing.T) {
	t.Parallel()
	f := every(t)[0]
	f.Request.Body, f.Response.Body = memory(strings.Repeat("a", 3*window)), memory(strings.Repeat("b", 2*window))
	data := encoded(t, f, every(t)[1], f)
	file, err := Open(saved(t, "large.flow", data))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got := all(t, file.Flows())
	for _, i := range []int{0, 2} {
		if got[i].Request.Body.Path == "" {
			t.Errorf("flow %d: the body is in memory, want it in the file", i)
		}
		if !reflect.DeepEqual(plain(t, got[i]), f) {
			t.Errorf("flow %d: not what was written", i)
		}
	}
	// Bodies don't count in what a record may hold, all else does.
	r := file.reader(window)
	if _, err := r.next(); err != nil || r.s.held > 64<<10 {
		t.Errorf("%d bytes held, %v", r.s.held, err)
	}
	if err := r.s.hold(maxHeld); !errors.Is(err, errTooMuch) {
		t.Errorf("got %v", err)
	}
}
