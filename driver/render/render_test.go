package render

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// zipped returns a compressed message in its frame.
func zipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return append(binary.BigEndian.AppendUint32([]byte{1}, uint32(b.Len())), b.Bytes()...)
}

// shown returns the names and texts of all views.
func shown(s Source) string {
	var out strings.Builder
	for _, v := range Views(context.Background(), s) {
		out.WriteString("== " + v.Name + "\n")
		out.Write(v.AppendText(nil))
	}
	return out.String()
}

func TestViews(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source Source
		want   string
	}{
		"JSON keeps digits and doubled keys": {Source{Type: "application/json", Data: []byte(`{"b":1.50,"a":[1e400,true,null,"x\n"],"b":{}}`)},
			"== JSON\n{\n  \"b\": 1.50,\n  \"a\": [\n    1e400,\n    true,\n    null,\n    \"x\\n\"\n  ],\n  \"b\": {}\n}\n"},
		"JSON that ends early": {Source{Type: "application/json", Data: []byte(`{"a":[1,{"b":`), More: true},
			"== JSON\n{\n  \"a\": [\n    1,\n    {}\n  ]\n}\n# The JSON text ends within a value.\n# Only the beginning of the body is shown.\n"},
		"lines of JSON":         {Source{Type: "application/x-ndjson", Data: []byte("{\"a\":1}\n{\"a\":2}\n")}, "== JSON\n[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": 2\n  }\n]\n"},
		"JSON without its type": {Source{Type: "text/plain", Data: []byte(" [7]")}, "== JSON\n[\n  7\n]\n"},
		"a text in braces":      {Source{Type: "text/plain", Data: []byte("{hello}")}, ""},
		"a text":                {Source{Type: "text/plain", Data: []byte("hello")}, ""},
		"JSON behind a guard":   {Source{Type: "application/json", Data: []byte(")]}',\n{\"a\":1}")}, "== JSON\n{\n  \"a\": 1\n}\n"},
		"JSON in UTF-16":        {Source{Type: "application/json; charset=utf-16le", Data: []byte("[\x001\x00]\x00")}, "== JSON\n[\n  1\n]\n"},
		"an empty key":          {Source{Type: "application/json", Data: []byte(`{"":1}`)}, "== JSON\n{\n  \"\": 1\n}\n"},
		"events": {Source{Type: "text/event-stream", Data: []byte(": hi\r\n\r\nid: 7\r\nevent: tick\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata: plain\n\ndata: no end")},
			"== Events\n[\n  {\n    \"comment\": \"hi\"\n  },\n  {\n    \"id\": \"7\",\n    \"event\": \"tick\",\n    \"data\": {\n      \"a\": 1\n    }\n  },\n  {\n    \"data\": \"plain\"\n  },\n  {\n    \"data\": \"no end\"\n  }\n]\n"},
		"XML": {Source{Type: "application/soap+xml", Data: []byte(`<?xml version="1.0" encoding="latin-1"?><a x='1'><!-- c --><b:c/><d> t&amp;u </d><e><![CDATA[<x>]]></e></a>`)},
			"== XML\n<?xml version=\"1.0\" encoding=\"latin-1\"?>\n<a x='1'>\n  <!-- c -->\n  <b:c/>\n  <d> t&amp;u </d>\n  <e><![CDATA[<x>]]></e>\n</a>\n"},
		"XML with a fault": {Source{Type: "text/xml", Data: []byte("<a><b></a <c>")}, "== XML\n<a>\n  <b>\n    </a <c>\n# Line 1: XML syntax error on line 1: invalid characters between </a and >.\n"},
		"HTML": {Source{Type: "text/html", Data: []byte("<!DOCTYPE html><html><body class=x><p>Hello <b>you</b><p>two<br><ul><li>1<li>2</ul><script>if (a<b) {\n c }</script><pre> x\n  y</pre></body></html>")},
			"== HTML\n<!DOCTYPE html>\n<html>\n  <body class=x>\n    <p>Hello <b>you</b>\n    <p>two\n      <br>\n      <ul>\n        <li>1\n        <li>2\n      </ul>\n      <script>if (a<b) {\n c }</script>\n      <pre> x\n  y</pre>\n  </body>\n</html>\n"},
		"GraphQL": {Source{Type: "application/json", Data: []byte(`{"operationName":"Q","query":"query Q($id: ID!, $n: [Int!] = [1,2]) { car(id: $id, where: {a: \"}\"}) @include(if: true) { name: title, ...F ... on EV { soc } } } fragment F on Car { vin }","variables":{"id":7}}`)},
			"== GraphQL\n# Q\nquery Q($id: ID!, $n: [Int!] = [1, 2]) {\n  car(id: $id, where: {a: \"}\"}) @include(if: true) {\n    name: title\n    ...F\n    ... on EV {\n      soc\n    }\n  }\n}\nfragment F on Car {\n  vin\n}\n\n# variables\n{\n  \"id\": 7\n}\n" +
				"== JSON\n{\n  \"operationName\": \"Q\",\n  \"query\": \"query Q($id: ID!, $n: [Int!] = [1,2]) { car(id: $id, where: {a: \\\"}\\\"}) @include(if: true) { name: title, ...F ... on EV { soc } } } fragment F on Car { vin }\",\n  \"variables\": {\n    \"id\": 7\n  }\n}\n"},
		"GraphQL in the query": {Source{Target: "/graphql?query=%7B%20a%20%7D&variables=%7B%22x%22%3A1%7D"}, "== GraphQL\n{\n  a\n}\n\n# variables\n{\n  \"x\": 1\n}\n"},
		"form":                 {Source{Type: "application/x-www-form-urlencoded", Data: []byte("a=1&b=%C3%BC+x")}, "== Form\na: 1\nb: ü x\n"},
		"multipart": {Source{Type: `multipart/form-data; boundary=B`, Data: []byte("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhi\r\n--B\r\nContent-Disposition: form-data; name=f; filename=x.png\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--B\r\nContent-Type: application/json\r\n\r\n{\"a\":1}\r\n--B--\r\n")},
			"== Multipart\n# a\nContent-Disposition: form-data; name=\"a\"\nhi\n\n# f (x.png)\nContent-Disposition: form-data; name=f; filename=x.png\nContent-Type: image/png\n# image/png, 4 bytes\n\n# part 3\nContent-Type: application/json\n{\n  \"a\": 1\n}\n"},
		"MessagePack": {Source{Type: "application/msgpack", Data: unhex("84 a161 93 01 ff d1 8000 a162 c3 a163 c4 02 0aff a164 d6ff 00000000")},
			"== MessagePack\n{\n  \"a\": [\n    1,\n    -1,\n    -32768\n  ],\n  \"b\": true,\n  \"c\": 0aff,  # 2 bytes\n  \"d\": \"1970-01-01T00:00:00Z\"  # time\n}\n"},
		"MessagePack that ends early": {Source{Type: "application/msgpack", Data: unhex("dfffffffff a161 a3 6162")},
			"== MessagePack\n{\n  \"a\": \"ab\"\n}\n# Byte 10: the body ends within a value.\n"},
		"CBOR": {Source{Type: "application/cbor", Data: unhex("bf 01 83 20 f93c00 fb3ff199999999999a 6161 c11a514b67b0 6162 9f f6 f7 f5 ff 6163 d818 43 820102 ff")},
			"== CBOR\n{\n  \"1\": [\n    -1,\n    1,\n    1.1\n  ],\n  \"a\": 1363896240,  # tag 1 (seconds since 1970), 2013-03-21T20:04:00Z\n  \"b\": [\n    null,\n    undefined,\n    true\n  ],\n  \"c\": [  # tag 24 (CBOR in bytes)\n    1,\n    2\n  ]\n}\n"},
		"CBOR behind CBOR": {Source{Type: "application/cbor-seq", Data: unhex("01 02")}, "== CBOR\n[\n  1,\n  2\n]\n"},
		"protobuf without a schema": {Source{Type: "application/x-protobuf", Data: unhex("08 9601 12 07 74657374696e67 1a 03 08 9601 25 0000c03f 29 000000000000f83f 32 02 00ff 10 ffffffffffffffffff01 3b 08 01 3c")},
			"== Protobuf\n{\n  \"1\": 150,  # varint\n  \"2\": \"testing\",\n  \"3\": {\n    \"1\": 150  # varint\n  },\n  \"4\": 1069547520,  # fixed32, float 1.5\n  \"5\": 4609434218613702656,  # fixed64, double 1.5\n  \"6\": 00ff,  # 2 bytes\n  \"2\": 18446744073709551615,  # varint, signed -1\n  \"7\": {  # group\n    \"1\": 1  # varint\n  }\n}\n"},
		"protobuf that ends early":        {Source{Type: "application/x-protobuf", Data: unhex("08 01 12 07 7465")}, "== Protobuf\n{\n  \"1\": 1  # varint\n}\n# Byte 3 of a message: unexpected EOF.\n"},
		"a body that looks like protobuf": {Source{Type: "application/octet-stream", Data: unhex("0801 1202 6869")}, "== Protobuf?\n{\n  \"1\": 1,  # varint\n  \"2\": \"hi\"\n}\n"},
		"a body that looks like nothing":  {Source{Type: "application/octet-stream", Data: unhex("ffd8ffe000104a46")}, ""},
		"grpc-web with trailers": {Source{Type: "application/grpc-web+proto", Response: true, Data: unhex("00 00000002 0801 80 00000024" + hex.EncodeToString([]byte("grpc-status: 5\r\ngrpc-message: a%20b\r\n")))},
			"== gRPC\n[\n  {  # 2 bytes\n    \"1\": 1  # varint\n  }\n]\n\n# Trailers\ngrpc-status: 5 NOT_FOUND\ngrpc-message: a b\n# Byte 49: the body ends within a value.\n"},
		"grpc-web-text": {Source{Type: "application/grpc-web-text", Data: []byte(base64.StdEncoding.EncodeToString(unhex("0000000002")) + base64.StdEncoding.EncodeToString(unhex("0801")))},
			"== gRPC\n[\n  {  # 2 bytes\n    \"1\": 1  # varint\n  }\n]\n"},
		"a compressed message": {Source{Type: "application/grpc", Encoding: "gzip", Data: zipped(unhex("0801"))},
			"== gRPC\n[\n  {  # 26 bytes, gzip of 2 bytes\n    \"1\": 1  # varint\n  }\n]\n"},
		"Connect": {Source{Type: "application/connect+json", Data: append(unhex("00 00000007"), []byte("{\"a\":1}\x02\x00\x00\x00\x02{}")...)},
			"== gRPC\n[\n  {  # 7 bytes\n    \"a\": 1\n  },\n  {}  # end of the stream, 2 bytes\n]\n"},
	} {
		if d := cmp.Diff(test.want, shown(test.source)); d != "" {
			t.Errorf("%s: (-want +got)\n%s", name, d)
		}
	}
}

// schema writes a descriptor set with a service and returns its path. The set lacks the file
// of google.protobuf.Timestamp, as protoc leaves it out without --include_imports.
func schema(t *testing.T) string {
	t.Helper()
	kind := func(t descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto_Type { return &t }
	label := func(t descriptorpb.FieldDescriptorProto_Label) *descriptorpb.FieldDescriptorProto_Label { return &t }
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("car.proto"), Package: proto.String("car.v1"), Syntax: proto.String("proto3"), Dependency: []string{"google/protobuf/timestamp.proto"},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("State"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("OFF"), Number: proto.Int32(0)}, {Name: proto.String("CHARGING"), Number: proto.Int32(1)}}}},
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Ask"), Field: []*descriptorpb.FieldDescriptorProto{
			{Name: proto.String("vin"), Number: proto.Int32(1), Type: kind(descriptorpb.FieldDescriptorProto_TYPE_STRING)},
		}}, {Name: proto.String("Status"), Field: []*descriptorpb.FieldDescriptorProto{
			{Name: proto.String("state"), Number: proto.Int32(1), Type: kind(descriptorpb.FieldDescriptorProto_TYPE_ENUM), TypeName: proto.String(".car.v1.State")},
			{Name: proto.String("cells"), Number: proto.Int32(2), Type: kind(descriptorpb.FieldDescriptorProto_TYPE_SINT32), Label: label(descriptorpb.FieldDescriptorProto_LABEL_REPEATED)},
			{Name: proto.String("at"), Number: proto.Int32(3), Type: kind(descriptorpb.FieldDescriptorProto_TYPE_MESSAGE), TypeName: proto.String(".google.protobuf.Timestamp")},
			{Name: proto.String("plugged"), Number: proto.Int32(4), Type: kind(descriptorpb.FieldDescriptorProto_TYPE_BOOL)},
		}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Charger"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Watch"), InputType: proto.String(".car.v1.Ask"), OutputType: proto.String(".car.v1.Status")}}}},
	}
	data, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "car.binpb")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A schema gives names: by the path of a call for each side, by a parameter of the type. A
// field that it does not know has its number.
func TestProtos(t *testing.T) {
	t.Parallel()
	p, err := LoadProtos([]string{schema(t)})
	if err != nil {
		t.Fatal(err)
	}
	status := unhex("0801 1203 010204 1a06 0880fd88be06 2001 2a0178")
	framed := append(unhex("00000000"), append([]byte{byte(len(status))}, status...)...)
	const want = `{
  "state": CHARGING,  # 1
  "cells": [  # sint32
    -1,
    1,
    2
  ],
  "at": {  # google.protobuf.Timestamp, 2025-02-28T22:53:52Z
    "seconds": 1740783232  # int64
  },
  "plugged": true,
  "5": "x"
}
`
	for name, s := range map[string]Source{
		"path":      {Type: "application/grpc", Target: "/car.v1.Charger/Watch", Response: true, Data: framed},
		"prefix":    {Type: "application/proto", Target: "/api/car.v1.Charger/Watch?x=1", Response: true, Data: status},
		"parameter": {Type: `application/x-protobuf; messageType="car.v1.Status"`, Data: status},
	} {
		s.Protos = p
		got := shown(s)
		got = strings.NewReplacer("  # car.v1.Status, 20 bytes", "", "  # car.v1.Status", "").Replace(got)
		got = strings.NewReplacer("== gRPC\n[\n", "", "\n]\n", "\n", "== Protobuf\n", "").Replace(got)
		if name == "path" {
			got = strings.TrimPrefix(strings.ReplaceAll("\n"+got, "\n  ", "\n"), "\n")
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", name, d)
		}
	}
	if got, want := shown(Source{Type: "application/grpc", Target: "/car.v1.Charger/Watch", Data: unhex("00 00000005 0a03564d31"), Protos: p}),
		"== gRPC\n[\n  {  # car.v1.Ask, 5 bytes\n    \"vin\": \"VM1\"\n  }\n]\n"; got != want {
		t.Error(cmp.Diff(want, got))
	}
}

func TestLoadProtosRefuses(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(bad, []byte("syntax = \"proto3\";"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadProtos([]string{bad}); err == nil || !strings.Contains(err.Error(), "got no FileDescriptorSet") {
		t.Error(err)
	}
	if p, err := LoadProtos(nil); p != nil || err != nil {
		t.Error(p, err)
	}
}

// What strangers claim reserves nothing, and deep or endless bodies end.
func TestBounds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source Source
		note   string
	}{
		"many bombs": {Source{Type: "application/grpc", Encoding: "gzip", Data: bytes.Repeat(zipped(append(unhex("0ac0843d"), make([]byte, 1_000_000)...)), 20)},
			"A compressed message"},
		"deep JSON":     {Source{Type: "application/json", Data: []byte(strings.Repeat("[", 5000))}, "nested more than 100"},
		"deep CBOR":     {Source{Type: "application/cbor", Data: []byte(strings.Repeat("\x81", 5000))}, "nested more than 100"},
		"deep tags":     {Source{Type: "application/cbor", Data: []byte("\x82\x01" + strings.Repeat("\xc1", 5000) + "\x01")}, "nested more than 100"},
		"much JSON":     {Source{Type: "application/json", Data: []byte("[" + strings.Repeat("1,", 200_000) + "1]")}, "ends after 50000"},
		"much XML":      {Source{Type: "text/xml", Data: []byte(strings.Repeat("<a>", 300_000))}, "too long"},
		"much in a map": {Source{Type: "application/msgpack", Data: []byte("\xdf\xff\xff\xff\xff" + strings.Repeat("\x01\x02", 200_000))}, "ends after 50000"},
	} {
		views := Views(t.Context(), test.source)
		if len(views) == 0 || !strings.Contains(strings.Join(views[0].Notes, " "), test.note) {
			t.Errorf("%s: got %d views %v, want one with a note of %q", name, len(views), views, test.note)
		}
		if size := len(views[0].AppendText(nil)); size > 8<<20 {
			t.Errorf("%s: got a text of %d bytes", name, size)
		}
	}
}

func TestPreviews(t *testing.T) {
	t.Parallel()
	v := Views(t.Context(), Source{Type: "application/json", Data: []byte(`{"id":7,"tags":["a",{"b":1}],"text":"` + strings.Repeat("x", 500) + `"}`)})
	if got, want := v[0].Parts[0].Tree.Preview, `{id: 7, tags: ["a", {…}], text: "`+strings.Repeat("x", 40); !strings.HasPrefix(got, want) || len(got) > 100 {
		t.Errorf("got %q, want %q and a little more", got, want)
	}
}

func FuzzViews(f *testing.F) {
	protos, err := LoadProtos([]string{schemaFor(f)})
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []string{"application/json", "text/event-stream", "text/html", "text/xml", "application/graphql", "multipart/mixed; boundary=B",
		"application/grpc-web-text", "application/grpc", "application/x-protobuf; encoding=delimited", "application/proto", "application/msgpack", "application/cbor", ""} {
		f.Add(kind, []byte("{\"query\":\"{a}\"}\n\n<a>"))
		f.Add(kind, unhex("0801 1203 010204 1a06 0880fd88be06 2001 2a0178"))
		f.Add(kind, unhex("9f 83 20 f93c00 c1 d818 43 820102 ff"))
	}
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		for _, response := range []bool{false, true} {
			for _, v := range Views(t.Context(), Source{Type: kind, Data: data, Target: "/graphql/car.v1.Charger/Watch", Response: response, Encoding: "gzip", Protos: protos}) {
				if len(v.Parts) == 0 || v.Name == "" {
					t.Errorf("a view without parts or a name: %+v", v)
				}
				v.AppendText(nil)
			}
		}
	})
}

func schemaFor(f *testing.F) string {
	data, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto)}})
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "x")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		f.Fatal(err)
	}
	return path
}
