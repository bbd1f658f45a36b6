package h1

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// message is one of the corpus. Method is empty for a request, and for a response
// that of the request to which it is the answer.
type message struct{ name, method, text string }

// corpus is the messages of testdata/messages.txt and the combinations.
func corpus(t testing.TB) []message {
	t.Helper()
	data, err := os.ReadFile("testdata/messages.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []message
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		method, quoted, _ := strings.Cut(rest, " ")
		text, err := strconv.Unquote(quoted)
		if err != nil || method == "" {
			t.Fatalf("messages.txt:%d: got %s, want NAME KIND \"TEXT\"", n, line)
		}
		if method == "request" {
			method = ""
		}
		all = append(all, message{name, method, text})
	}
	all = append(all, combinations()...)
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.name] {
			t.Fatalf("%s: got two messages with that name", m.name)
		}
		seen[m.name] = true
	}
	if len(all) < 500 {
		t.Errorf("corpus: got %d messages, want 500 at least", len(all))
	}
	return all
}

func combinations() []message {
	var all []message
	for _, c := range [][]message{lengths(), codings(), sizes(), targets(), versions(), bytesAnywhere(), long()} {
		all = append(all, c...)
	}
	return all
}

// called names a message by a value that is in it.
func called(kind, value string) string {
	quoted := strconv.QuoteToASCII(value)
	return kind + "/" + strings.ReplaceAll(quoted[1:len(quoted)-1], " ", "␠")
}

// lengths are values of Content-Length.
func lengths() (all []message) {
	for _, v := range []string{
		"5", "05", "0000000000000000000005", "+5", "-5", "-0", "5 ", "\t5", "5,5", "5, 5", "5 , 5", "5,6", "5, 05", "5,", ",5", "5;5", "0x5", "5.0", "5e0", "5_0",
		"", "five", "5 5", "\"5\"", "0", "00", "9223372036854775807", "9223372036854775808", "18446744073709551621", "5\v", "\f5", "5\x00", "5\r", "5\u00a0", "٥", "5\x80",
	} {
		all = append(all,
			message{called("length", v), "", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + v + "\r\n\r\nhelloGET"},
			message{called("length-answer", v), "GET", "HTTP/1.1 200 OK\r\nContent-Length: " + v + "\r\n\r\nhelloHTTP"})
	}
	return all
}

// codings are values of Transfer-Encoding.
func codings() (all []message) {
	for _, v := range []string{
		"chunked", "Chunked", "CHUNKED", "chunked \t", "chunked,", ",chunked", ",,chunked", "chunked, chunked", "gzip, chunked", "gzip,chunked", "gzip ,\tchunked", "deflate, chunked",
		"x-gzip, chunked", "br, chunked", "gzip, deflate, chunked", "chunked, gzip", "chunked, identity", "identity, chunked", "identity", "Identity", "gzip", "foo", "foo, chunked", "xchunked",
		"chunkedx", "x chunked", "chunked x", "chunked;q=1", "\"chunked\"", "'chunked'", "chunked\v", "\vchunked", "\fchunked", "chun\u212aed", "chunked\x00", "\x00chunked", "chunked\r", "", "trailers", "chunked\u00a0", "c\u1e27unked", "chunke", "cow",
	} {
		body := "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
		all = append(all,
			message{called("coding", v), "", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + v + body + "GET"},
			message{called("coding-answer", v), "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + v + body + "HTTP"})
	}
	return all
}

// sizes are the first lines of a chunk.
func sizes() (all []message) {
	for _, v := range []string{
		"5", "05", "0005", "5 ", "5\t", "5 \t ", " 5", "\t5", "5;a", "5;a=b", "5;a=b;c", "5;", "5;;", "5 ;a", "5\t; a = b", "5; a", "5,a", "5 a", "+5", "-5", "0x5", "0X5", "5h", "5.", "5_", "$5", "",
		";a", "5\r", "\r5", "5\v", "\v5", "5\x00", "\x005", "00000000000000005", "0000000000000005", "000000000000000000005", "8000000000000005", "7fffffffffffffff", "ffffffffffffffff", "10000000000000005", "100000000000000000005", "５",
	} {
		all = append(all, message{called("size", v), "", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + v + "\r\nhello\r\n0\r\n\r\nGET"})
	}
	return all
}

// targets are targets of all forms, with the methods that have forms of their own.
func targets() (all []message) {
	add := func(method string, list ...string) {
		for _, v := range list {
			all = append(all, message{called("target-"+method, v), "", method + " " + v + " HTTP/1.1\r\nHost: h.test\r\n\r\n"})
		}
	}
	add("GET", "/", "//", "//h.test/a", "///a", "/a//b", "/a/../b", "/./a", "/%2e%2e/a", "/%", "/%zz", "/a%2", "/%00", "/%0d%0a", "/a?b=%&c=%zz", "/?", "/a?b?c", "/a#b", "/a?b#c", "/a;b=1", "/a|b\\c^d`e{f}g\"h<i>", "/\xe9", "/é",
		"*", "a", "a/b", "?a", "h.test", "h.test:80", "h.test/a", "http:", "http:/a", "http:a", "http://", "http:///a", "http://:80/a", "http://h.test", "http://h.test/", "http://h.test?a", "http://h.test#a", "HTTP://H.Test/A",
		"http://h.test:80/", "http://h.test:/", "http://h.test:x/", "http://h.test:99999/", "http://[::1]/", "http://[::1]:80/a", "http://[::1/", "http://u@h.test/", "http://u:p@h.test/", "http://a@b@h.test/", "http://h.test\\a/", "http://h.test/a://b", "https://h.test/", "ftp://h.test/a", "ws://h.test/", "1http://h.test/", "ht tp://h.test/", "://h.test/", "http://h%2etest/", "http://h.test/%zz")
	add("OPTIONS", "*", "/", "http://h.test", "http://h.test/", "http://h.test?a", "*a", "**")
	add("CONNECT", "h.test:443", "h.test", "h.test:", ":443", "h.test:x", "h.test:0", "h.test:99999", "h.test:+443", "[::1]:443", "[::1]", "::1:443", "u@h.test:443", "h.test:443/", "h.test:443?a", "/", "*", "http://h.test:443", "http://h.test:443/")
	return all
}

// versions are versions of requests and responses.
func versions() (all []message) {
	for _, v := range []string{"HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/1.10", "HTTP/1.01", "HTTP/01.1", "HTTP/1", "HTTP/1.", "HTTP/2.0", "HTTP/2", "HTTP/3.0", "http/1.1", "Http/1.1", "HTTP/1,1", "HTTP/ 1.1", "HTTP /1.1", "HTTPS/1.1", "HTTP/1.1x", "HTTP/+1.1", "HTTP/1.१", "XTTP/1.1", "RTSP/1.0", "1.1", ""} {
		all = append(all,
			message{called("version", v), "", "GET / " + v + "\r\nHost: a\r\n\r\n"},
			message{called("version-answer", v), "GET", v + " 200 OK\r\nContent-Length: 0\r\n\r\n"})
	}
	return all
}

// bytesAnywhere puts bytes that are special somewhere into each part of a message.
func bytesAnywhere() (all []message) {
	const head = "GET / HTTP/1.1\r\nHost: a\r\n"
	for _, c := range []byte{0, 1, '\t', '\v', '\f', 0x1b, 0x1c, '"', '(', ',', '/', ';', '@', '\\', 0x7f, 0x80, 0x85, 0xa0, 0xff} {
		b := string([]byte{c})
		all = append(all,
			message{called("in-method", b), "", "GE" + b + "T / HTTP/1.1\r\nHost: a\r\n\r\n"},
			message{called("in-target", b), "", "GET /a" + b + "b HTTP/1.1\r\nHost: a\r\n\r\n"},
			message{called("in-name", b), "", head + "X" + b + "Y: 1\r\n\r\n"},
			message{called("in-value", b), "", head + "X: 1" + b + "2\r\n\r\n"},
			message{called("at-value", b), "", head + "X: " + b + "1" + b + "\r\n\r\n"},
			message{called("in-reason", b), "GET", "HTTP/1.1 200 O" + b + "K\r\nContent-Length: 0\r\n\r\n"},
			message{called("in-answer-name", b), "GET", "HTTP/1.1 200 OK\r\nX" + b + "Y: 1\r\nContent-Length: 0\r\n\r\n"},
			message{called("at-answer-value", b), "GET", "HTTP/1.1 200 OK\r\nX: " + b + "1" + b + "\r\nContent-Length: 0\r\n\r\n"})
	}
	return all
}

// long are messages at the bounds.
func long() (all []message) {
	add := func(name, text string) { all = append(all, message{"long/" + name, "", text}) }
	head := "GET / HTTP/1.1\r\nHost: a\r\n"
	add("value", head+"X: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	add("name", head+strings.Repeat("x", 64<<10)+": 1\r\n\r\n")
	add("target", "GET /"+strings.Repeat("x", 64<<10)+" HTTP/1.1\r\nHost: a\r\n\r\n")
	add("method", strings.Repeat("X", 300)+" / HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, over := range []int{0, 1, 2} { // X: VALUE CR LF is 5 bytes beside the value
		add(fmt.Sprintf("head+%d", over), head+"X: "+strings.Repeat("x", MaxHead-len(head)-5+over)+"\r\n\r\nGET")
		add(fmt.Sprintf("lines+%d", over), head+strings.Repeat("X: 1\r\n", MaxLines-1+over)+"\r\nGET")
	}
	chunked := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	add("extension", chunked+"5;"+strings.Repeat("a", 3000)+"\r\nhello\r\n0\r\n\r\n")
	add("extension-more", chunked+"5;"+strings.Repeat("a", 5000)+"\r\nhello\r\n0\r\n\r\n")
	add("extensions", chunked+strings.Repeat("1;"+strings.Repeat("a", 100)+"\r\nx\r\n", 150)+"0\r\n\r\nGET")
	add("extensions-more", chunked+strings.Repeat("1;"+strings.Repeat("a", 100)+"\r\nx\r\n", 170)+"0\r\n\r\nGET")
	add("extensions-small", chunked+strings.Repeat("40;"+strings.Repeat("a", 60)+"\r\n"+strings.Repeat("x", 64)+"\r\n", 1000)+"0\r\n\r\nGET")
	add("trailer", chunked+"0\r\nSum: "+strings.Repeat("x", 10000)+"\r\n\r\nGET")
	add("trailer-lines", chunked+"0\r\n"+strings.Repeat("Sum: 1\r\n", MaxLines+1)+"\r\nGET")
	add("body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100000)+"GET")
	add("chunks", chunked+strings.Repeat("1\r\nx\r\n", 3000)+"0\r\n\r\nGET")
	return all
}
