package flow

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// harOf is a document with an entry whose parts are replaced; an empty part is
// left out.
func harOf(parts map[string]string) string {
	all := map[string]string{
		"startedDateTime": `"2024-01-02T03:04:05.678Z"`, "time": "1",
		"request":  `{"method":"POST","url":"http://a.test/x","httpVersion":"HTTP/1.1","headers":[{"name":"Content-Type","value":"text/plain"}]}`,
		"response": `{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","headers":[],"content":{"size":2,"mimeType":"text/plain","text":"ok"}}`,
	}
	for key, part := range parts {
		all[key] = part
	}
	var list []string
	for key, part := range all {
		if part != "" {
			list = append(list, fmt.Sprintf("%q:%s", key, part))
		}
	}
	return `{"log":{"version":"1.2","entries":[{` + strings.Join(list, ",") + `}]}}`
}

func response(parts string) map[string]string {
	return map[string]string{"response": "{" + parts + "}"}
}

// An entry is lost only for what nobody can do without.
func TestHARLenient(t *testing.T) {
	t.Parallel()
	status := func(f *Flow) string { return fmt.Sprint(f.Response.Status, " ", string(f.Response.Body.Data)) }
	lines := func(f *Flow) string { return fmt.Sprint(f.Response.Header) }
	sent := func(f *Flow) string { return string(f.Request.Body.Data) }
	proto := func(f *Flow) string { return f.Request.Proto + " " + f.Response.Proto }
	content := func(text string) map[string]string { return response(`"status":200,"content":` + text) }
	post := func(text string) map[string]string {
		return map[string]string{"request": `{"method":"POST","url":"http://a.test/x","headers":[{"name":"Content-Type","value":"multipart/form-data; boundary=b"}],"postData":` + text + `}`}
	}
	bare := func(text string) map[string]string {
		return map[string]string{"request": `{"method":"POST","url":"http://a.test/x","postData":` + text + `}`}
	}
	typed := func(f *Flow) string { return f.Request.Header.Get("Content-Type") + " " + string(f.Request.Body.Data) }
	version := func(request, response string) map[string]string {
		return map[string]string{"request": `{"method":"GET","url":"https://a.test/","httpVersion":` + request + `}`, "response": `{"status":200,"httpVersion":` + response + `}`}
	}
	none := func(f *Flow) string { return fmt.Sprintln(f.Response, f.Error.Message) }
	for _, test := range []struct {
		name  string
		parts map[string]string
		tell  func(*Flow) string
		want  string
	}{
		{"status as text", response(`"status":"201","content":{"text":"ok"}`), status, "201 ok"},
		{"status as a float", response(`"status":204.0`), status, "204 "},
		{"texts as numbers", response(`"status":200,"statusText":7,"httpVersion":1.1,"content":{"mimeType":1,"size":"2","text":42}`), status, "200 42"},
		{"text as an object", content(`{"mimeType":"application/json","text":{"a": [1]}}`), status, `200 {"a": [1]}`},
		{"sizes as text", response(`"status":200,"headersSize":"x","bodySize":"","content":{"size":"many","text":"ok"}`), status, "200 ok"},
		{"nulls", response(`"status":200,"statusText":null,"httpVersion":null,"headers":null,"cookies":null,"redirectURL":null,"_error":null,"content":null`), status, "200 "},
		{"no content", response(`"status":200`), status, "200 "},
		{"content is a list", content(`[]`), status, "200 "},
		{"content is text", content(`"ok"`), status, "200 ok"},
		{"status 0", response(`"status":0,"statusText":""`), none, "<nil> there was no response\n"},
		{"status 0 with an error", response(`"status":"0","_error":"net::ERR_FAILED"`), none, "<nil> net::ERR_FAILED\n"},
		{"status below 0", response(`"status":-1`), none, "<nil> there was no response\n"},
		{"status null", response(`"status":null`), none, "<nil> there was no response\n"},
		{"response is null", map[string]string{"response": "null"}, none, "<nil> there was no response\n"},
		{"no response", map[string]string{"response": ""}, none, "<nil> there was no response\n"},
		{"from a cache", map[string]string{"_fromCache": `"disk"`, "cache": "7", "timings": `"x"`}, status, "200 ok"},

		{"base64", content(`{"encoding":"base64","text":"aGVsbG8="}`), status, "200 hello"},
		{"base64 in capitals", content(`{"encoding":"BASE64","text":"aGVsbG8="}`), status, "200 hello"},
		{"base64 in lines", content(`{"encoding":"base64","text":"aGVs\r\n bG8=\n"}`), status, "200 hello"},
		{"base64 without its end", content(`{"encoding":"base64","text":"aGVsbG8"}`), status, "200 hello"},
		{"base64 for URLs", content(`{"encoding":"base64","text":"__-_"}`), status, "200 \xff\xff\xbf"},
		{"encoding utf8", content(`{"encoding":"utf8","text":"ü"}`), status, "200 ü"},
		{"no base64", content(`{"encoding":"base64","text":"?"}`), func(f *Flow) string { return fmt.Sprint(f.Response.Body.Missing, f.doubts) },
			"true [entry 0: the body of the response is left out: its text is not base64]"},
		{"unknown encoding", content(`{"encoding":"rot13","text":"?"}`), func(f *Flow) string { return fmt.Sprint(f.Response.Body.Missing, f.doubts) },
			`true [entry 0: the body of the response is left out: encoding "rot13": expected base64]`},

		{"latin 1", content(`{"mimeType":"text/plain; charset=iso-8859-1","text":"gr\u00fcn"}`), status, "200 gr\xfcn"},
		{"latin 1 in the header alone", response(`"status":200,"headers":[{"name":"content-type","value":"text/html;Charset=\"ISO-8859-1\""}],"content":{"text":"gr\u00fcn"}`), status, "200 gr\xfcn"},
		{"windows-1251", content(`{"mimeType":"text/html; charset=windows-1251","text":"\u0430"}`), status, "200 \xe0"},
		{"shift_jis", content(`{"mimeType":"text/html; charset=Shift_JIS","text":"\u3042"}`), status, "200 \x82\xa0"},
		{"utf-16le", content(`{"mimeType":"text/html; charset=utf-16le","text":"a"}`), status, "200 a\x00"},
		{"utf-8", content(`{"mimeType":"text/html; charset=UTF-8","text":"\u3042"}`), status, "200 あ"},
		{"not in the charset", content(`{"mimeType":"text/html; charset=iso-8859-1","text":"\u3042"}`), status, "200 あ"},
		{"unknown charset", content(`{"mimeType":"text/html; charset=klingon","text":"ü"}`), status, "200 ü"},
		{"bytes with a charset", content(`{"mimeType":"text/html; charset=iso-8859-1","encoding":"base64","text":"w7w="}`), status, "200 ü"},
		{"charset of a request", post(`{"mimeType":"text/plain; charset=latin1","text":"\u00fc"}`), sent, "\xfc"},

		{"cookies joined by newlines", response(`"status":200,"headers":[{"name":"Set-Cookie","value":"a=1; Path=/\nb=2\r\nc=3"},{"name":"X","value":"1"}]`), lines,
			"[{Set-Cookie a=1; Path=/} {Set-Cookie b=2} {Set-Cookie c=3} {X 1}]"},
		{"any header joined by newlines", response(`"status":200,"headers":[{"name":"link","value":"a\nb"}]`), lines, "[{link a} {link b}]"},
		{"folded line", response(`"status":200,"headers":[{"name":"X","value":"a\r\n  b"}]`), lines, "[{X a b}]"},
		{"header of numbers", response(`"status":200,"headers":[{"name":"Age","value":5},{"name":"X","value":null},{"name":7,"value":true}]`), lines, "[{Age 5} {X } {7 true}]"},
		{"header as lists", response(`"status":200,"headers":[["A","1"],["B",2],["C"],null,7,{"value":"x"}]`), lines, "[{A 1} {B 2}]"},
		{"header as an object", response(`"status":200,"headers":{"B":"1","A":["2","3"],"C":4}`), lines, "[{B 1} {A 2} {A 3} {C 4}]"},
		{"pseudo-headers", response(`"status":200,"headers":[{"name":":status","value":"200"},{"name":"a","value":"1"}]`), lines, "[{a 1}]"},

		{"h3", version(`"h3"`, `"h3-29"`), proto, "HTTP/3 HTTP/3"},
		{"http/2.0", version(`"http/2.0"`, `"HTTP/2"`), proto, "HTTP/2.0 HTTP/2.0"},
		{"h2", version(`" h2"`, `"h2c"`), proto, "HTTP/2.0 HTTP/2.0"},
		{"quic", version(`"HTTP/2+QUIC/46"`, `"HTTP/3.0"`), proto, "HTTP/3 HTTP/3"},
		{"no version", version(`""`, `"unknown"`), proto, "HTTP/1.1 HTTP/1.1"},
		{"http/1.0", version(`"http/1.0"`, `null`), proto, "HTTP/1.0 HTTP/1.1"},

		{"form without text", post(`{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a b","value":"1&2"},{"name":"c"}]}`), sent, "a+b=1%262&c="},
		{"parts without text", post(`{"mimeType":"multipart/form-data; boundary=b","params":[{"name":"f","fileName":"x.txt","contentType":"text/plain","value":"hi"}]}`), sent,
			"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b--\r\n"},
		{"boundary in the header", post(`{"mimeType":"multipart/form-data","params":[{"name":"f","value":"hi"}]}`), sent, "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nhi\r\n--b--\r\n"},
		{"form with empty text", post(`{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a","value":"1"}],"text":""}`), sent, "a=1"},
		{"form in latin 1", post(`{"mimeType":"application/x-www-form-urlencoded; charset=iso-8859-1","params":[{"name":"a","value":"\u00fc"}]}`), sent, "a=%FC"},
		{"parts without a boundary", bare(`{"mimeType":"multipart/form-data","params":[{"name":"f","value":"hi"}]}`), typed,
			"multipart/form-data; boundary=starproxy-form-boundary --starproxy-form-boundary\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nhi\r\n--starproxy-form-boundary--\r\n"},
		{"form without a type", bare(`{"params":[{"name":"f","value":"hi"},{"name":"g"}]}`), typed, "application/x-www-form-urlencoded f=hi&g="},
		{"file without a type", bare(`{"mimeType":"","params":[{"name":"f","fileName":"x"}]}`), typed,
			"multipart/form-data; boundary=starproxy-form-boundary --starproxy-form-boundary\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n\r\n--starproxy-form-boundary--\r\n"},
		{"request without a header", bare(`{"mimeType":"application/json","text":"{}"}`), typed, "application/json {}"},
		{"response without a header", content(`{"mimeType":"text/css","text":"a{}"}`), lines, "[{Content-Type text/css}]"},
		{"response without a type", response(`"status":200,"headers":[{"name":"A","value":"1"}],"content":{"mimeType":"text/css","text":"a{}"}`), lines, "[{A 1}]"},
		{"response of no known type", content(`{"mimeType":"x-unknown","text":"a"}`), lines, "[]"},

		{"charset in the HTML", content(`{"mimeType":"text/html","text":"<html><head><meta charset=\"iso-8859-1\"><p>gr\u00fcn"}`), status, "200 <html><head><meta charset=\"iso-8859-1\"><p>gr\xfcn"},
		{"charset in the HTML, as it was", content(`{"mimeType":"text/html","text":"<meta http-equiv='Content-Type' content='text/html; charset=shift_jis'>\u3042"}`), status, "200 <meta http-equiv='Content-Type' content='text/html; charset=shift_jis'>\x82\xa0"},
		{"the header goes before the HTML", content(`{"mimeType":"text/html; charset=utf-8","text":"<meta charset=latin1>\u00fc"}`), status, "200 <meta charset=latin1>ü"},
		{"no charset in the HTML", content(`{"mimeType":"text/html","text":"<p>\u00fc"}`), status, "200 <p>ü"},
		{"charset in the XML", content(`{"mimeType":"application/soap+xml","text":"<?xml version='1.0' encoding='windows-1252'?><a>\u20ac</a>"}`), status, "200 <?xml version='1.0' encoding='windows-1252'?><a>\x80</a>"},
		{"UTF-16 in the XML", content(`{"mimeType":"text/xml","text":"<?xml version='1.0' encoding='UTF-16'?><a/>"}`), status, "200 <?xml version='1.0' encoding='UTF-16'?><a/>"},
		{"post is text", post(`"hello"`), sent, "hello"},
		{"post is null", post(`null`), sent, ""},
		{"params are nonsense", post(`{"params":7,"text":"t"}`), sent, "t"},
		{"an empty port", map[string]string{"request": `{"method":"GET","url":"https://a.test:/x"}`}, func(f *Flow) string { return fmt.Sprint(f.Request.Port, f.Request.Path) }, "443/x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			list := imported(t, []byte(harOf(test.parts)))
			if len(list) != 1 {
				t.Fatalf("%d flows", len(list))
			}
			if got := test.tell(list[0]); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			// It can go on from here in both formats.
			if again := imported(t, exported(t, list[0])); list[0].Response != nil && test.tell(list[0]) != test.tell(again[0]) && len(list[0].doubts) == 0 && !strings.Contains(test.name, "charset") {
				t.Errorf("exported and imported: %q", test.tell(again[0]))
			}
			encoded(t, list[0])
		})
	}
}

// Times of all kinds are read, and no entry is lost for one.
func TestHARTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for text, want := range map[string]time.Time{
		`"2024-01-02T03:04:05.678Z"`: at, `"2024-01-02T05:04:05.678+02:00"`: at, `"2024-01-02T05:04:05.678+0200"`: at, `"2024-01-02T05:04:05.678+02"`: at,
		`"2024-01-02T03:04:05.678"`: at, `"2024-01-02 03:04:05.678"`: at, `"2024-01-02 05:04:05.678 +0200"`: at, `"2024-01-02T03:04:05.678Z[UTC]"`: at,
		`1704164645678`: at, `1704164645.678`: at, `"1704164645678"`: at,
		`"Tue, 02 Jan 2024 03:04:05 GMT"`:                             at.Truncate(time.Second),
		`"Tue Jan 02 2024 05:04:05 GMT+0200 (Eastern European Time)"`: at.Truncate(time.Second),
		`"2024-01-02T03:04Z"`:                                         at.Truncate(time.Minute),
		`"yesterday"`:                                                 {}, `null`: {}, `-1`: {}, `{}`: {}, ``: {}, `""`: {},
	} {
		list := imported(t, []byte(harOf(map[string]string{"startedDateTime": text})))
		if len(list) != 1 || !list[0].Request.Start.Equal(want) {
			t.Errorf("%s: got %v, want %v", text, list[0].Request.Start, want)
		}
		encoded(t, list[0])
	}
	for _, text := range []string{`"12"`, `-5`, `null`, `"x"`, `1e300`, `[]`, ``} {
		if list := imported(t, []byte(harOf(map[string]string{"time": text}))); len(list) != 1 || list[0].Response.End.Before(at) {
			t.Errorf("%s: %v", text, list)
		}
	}
}

// Frames that are no messages are passed over.
func TestHARFrames(t *testing.T) {
	t.Parallel()
	list := imported(t, []byte(harOf(map[string]string{"_resourceType": `"websocket"`, "_webSocketMessages": `[
		{"type":"send","time":1704164645.678,"opcode":1,"data":"one"},
		{"type":"receive","time":"1704164645678","opcode":"2","data":"dHdv"},
		{"type":"receive","time":null,"opcode":-1,"data":"Invalid frame"},
		{"type":"send","opcode":9,"data":""}, {"type":"receive","opcode":10}, {"type":"receive","opcode":3,"data":"x"},
		{"type":"receive","opcode":2,"data":"not base64!"},
		{"type":"request","data":"no opcode"},
		{"type":"request","opcode":0,"data":" goes on"},
		7, null, {"type":"send","opcode":1,"data":5},
		{"type":"receive","opcode":8,"data":"D6Fib28="}, {"type":"send","opcode":8,"data":""}]`})))
	w := list[0].WebSocket
	var got []string
	for _, m := range w.Messages {
		got = append(got, fmt.Sprintf("%v %v %s", m.FromClient, m.Binary, m.Data))
	}
	want := "true false one|false true two|false true not base64!|true false no opcode goes on|true false 5"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
	if w.ClosedByClient == nil || *w.ClosedByClient || w.CloseCode != 4001 || w.CloseReason != "boo" {
		t.Errorf("%+v", w)
	}
	if at := time.UnixMilli(1704164645678); !w.Messages[0].Time.Equal(at) || !w.Messages[1].Time.Equal(at) {
		t.Error(w.Messages[0].Time, w.Messages[1].Time)
	}
	for _, frames := range []string{`null`, `7`, `{}`, `[]`} {
		if list := imported(t, []byte(harOf(map[string]string{"_webSocketMessages": frames}))); len(list) != 1 {
			t.Error(frames)
		}
	}
}

// Documents begin in many ways.
func TestHARBeginnings(t *testing.T) {
	t.Parallel()
	doc := harOf(nil)
	wide := func(order string) string {
		out := map[string]string{"le": "\xff\xfe", "be": "\xfe\xff"}[order]
		for i := range len(doc) {
			if order == "le" {
				out += doc[i:i+1] + "\x00"
			} else {
				out += "\x00" + doc[i:i+1]
			}
		}
		return out
	}
	for name, text := range map[string]string{
		"plain": doc, "mark": "\ufeff" + doc, "white space": " \r\n\t" + doc, "mark and space": "\ufeff\n" + doc, "UTF-16LE": wide("le"), "UTF-16BE": wide("be"),
		"no log": strings.TrimSuffix(strings.TrimPrefix(doc, `{"log":`), "}"), "more behind": doc + "\n\n",
	} {
		path := saved(t, "x.har", []byte(text))
		if n, warnings, err := Convert(path, path+".bin"); n != 1 || err != nil || len(warnings) > 0 {
			t.Errorf("%s: %d, %v, %v", name, n, warnings, err)
		}
		if n := len(imported(t, []byte(text))); n != 1 {
			t.Errorf("%s: %d flows from a stream", name, n)
		}
	}
}

// A recording that gives no flow is an error that says why, and makes no file.
func TestNothingToConvert(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"empty":          {"", "it gives no flow: it is empty"},
		"no entries":     {`{"log":{"entries":[]}}`, "it gives no flow: it is empty"},
		"no log":         {`{"a":1}`, "it has no log.entries"},
		"no HAR":         {`[1]`, "record at byte 0"},
		"all bad":        {`{"log":{"entries":[{"request":{"method":"GET","url":"data:x"}}]}}`, `entry 0: request: url "data:x"`},
		"broken off":     {`{"log":{"entries":[{"req`, "entry 0: unexpected EOF"},
		"text":           {"hello", "record at byte 0"},
		"cut short":      {"100:4:type;4:http;", "cut short"},
		"another format": {"PK\x03\x04", "record at byte 0"},
	} {
		path := saved(t, "in.har", []byte(c.text))
		for _, out := range []string{"out.bin", "out.har"} {
			out = filepath.Join(t.TempDir(), out)
			n, _, err := Convert(path, out)
			if n != 0 || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			if _, err := os.Stat(out); err == nil {
				t.Errorf("%s: %s was made", name, out)
			}
		}
		if _, err := OpenReplay(path, ReplayOptions{}); err == nil {
			t.Errorf("%s: it is replayed", name)
		}
	}
}

// What is left out is told with the number of its entry.
func TestHARWarnings(t *testing.T) {
	t.Parallel()
	bad := `{"request":{"method":"GET","url":"http://a.test/"},"response":{"status":200,"content":{"encoding":"base64","text":"?"}}}`
	doc := `{"log":{"entries":[` + strings.Repeat(bad+",", 9) + bad + `,{"request":7}]}}`
	path := saved(t, "x.har", []byte(doc))
	n, warnings, err := Convert(path, path+".bin")
	text := strings.Join(warnings, "\n")
	if n != 10 || err != nil || !strings.Contains(text, "entry 7: the body of the response is left out") || !strings.Contains(text, "of 2 more entries something is left out") ||
		!strings.Contains(text, "entry 10: it has no request") {
		t.Errorf("%d, %v, %s", n, err, text)
	}
}
