package scenario

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// TestLints checks what is said of documents that load, but hardly mean what they
// say.
func TestLints(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		// Steps.
		"GET /a:\n  sequence:\n    - body: 1\n    - body: 2\n    - body: 3\n":                           `s.yaml:3:7: endpoint "GET /a": sequence[0] has no repeat and answers all requests from there on: the 2 steps after it are never reached`,
		"GET /a:\n  sequence:\n    - {body: 1, repeat: 2}\n    - body: 2\n    - {body: 3, repeat: 1}\n": `s.yaml:4:7: endpoint "GET /a": sequence[1] has no repeat and answers all requests from there on: the step after it is never reached`,
		"GET /a:\n  sequence:\n    - {body: 1, repeat: 2}\n    - {body: 2, repeat: 1}\n":                "",
		"GET /a:\n  sequence:\n    - {body: 1}\n    - {body: 2, delay_ms: 100}\n    - {body: 3}\n":      `s.yaml:5:7: endpoint "GET /a": sequence[2] begins with the step before it, which never answers: want a larger delay_ms`,
		"GET /a:\n  sequence:\n    - {body: 1}\n    - {body: 2, delay_ms: 100, repeat: 3}\n":            `s.yaml:4:40: endpoint "GET /a": sequence[1]: repeat does not count in a sequence with delay_ms, which goes by time`,
		"https://h/a:\n  - {body: 1}\n  - {body: 2}\n":                                                  `s.yaml:2:5: endpoint "GET https://h/a": sequence[0] has no repeat and answers all requests from there on: the step after it is never reached`,
		"GET /a:\n  rules:\n    - sequence: [{body: 1}, {body: 2}]\n":                                   `s.yaml:3:18: endpoint "GET /a": rules[0]: sequence[0] has no repeat and answers all requests from there on: the step after it is never reached`,
		"GET /a:\n  sequence:\n    - {body: 1, repeat: 1}\n    - rules: [{body: 1}, {body: 2}]\n":       `s.yaml:4:15: endpoint "GET /a": sequence[1]: rules[0] has no match and answers every request: the rule after it is never asked`,
		// Rules.
		"GET /a:\n  rules:\n    - body: 1\n    - {match: {query: {a: b}}, body: 2}\n":                                                                                 `s.yaml:3:7: endpoint "GET /a": rules[0] has no match and answers every request: the rule after it is never asked`,
		"GET /a:\n  rules:\n    - {match: {query: {a: b}}, body: 2}\n    - body: 1\n":                                                                                 "",
		"GET /a:\n  rules:\n    - {match: {query: {a: ''}}, body: 1}\n    - {match: {query: {b: c}}, body: 2}\n    - {match: {query: {a: b}}, body: 3}\n":             `s.yaml:5:7: endpoint "GET /a": rules[2] is never asked: rules[0] answers all of its requests`,
		"GET /a:\n  rules:\n    - {match: {headers: {x-a: b}}, body: 1}\n    - {match: {headers: {X-A: b}, body_contains: z}, body: 2}\n":                             `s.yaml:4:7: endpoint "GET /a": rules[1] is never asked: rules[0] answers all of its requests`,
		"GET /a:\n  rules:\n    - {match: {headers: {X-A: b}, body_contains: z}, body: 1}\n    - {match: {headers: {X-A: b}}, body: 2}\n":                             "",
		"GET /a:\n  rules:\n    - {match: {body_json: {a.b: 1}}, body: 1}\n    - {match: {body_json: {a.b: 1.0, c: null}}, body: 2}\n":                                `s.yaml:4:7: endpoint "GET /a": rules[1] is never asked: rules[0] answers all of its requests`,
		"GET /a:\n  rules:\n    - {match: {}, body: 1}\n    - {match: {headers_absent: [x]}, body: 2}\n":                                                              `s.yaml:4:7: endpoint "GET /a": rules[1] is never asked: rules[0] answers all of its requests`,
		"GET /a:\n  rules:\n    - {match: {body_contains: ab}, body: 1}\n    - {match: {body_contains: cabc}, body: 2}\n    - {match: {body_contains: a}, body: 3}\n": `s.yaml:4:7: endpoint "GET /a": rules[1] is never asked: rules[0] answers all of its requests`,
		// States.
		"GET /a:\n  rules:\n    - {state: {scenario: s, is: a}, body: 1}\n    - {state: {scenario: s, is: b}, body: 2}\n    - body: 3\n": "",
		"GET /a:\n  rules:\n    - {state: {scenario: s, is: [a, b]}, body: 1}\n    - {state: {scenario: s, is: b, then: a}, body: 2}\n":  `s.yaml:4:7: endpoint "GET /a": rules[1] is never asked: rules[0] answers all of its requests`,
		"GET /a:\n  rules:\n    - {state: {scenario: s, is: b}, body: 1}\n    - {state: {scenario: s, is: [a, b]}, body: 2}\n":           "",
		"GET /a:\n  rules:\n    - {state: {scenario: s, then: b}, body: 1}\n    - {state: {scenario: s, is: b}, body: 2}\n":              `s.yaml:3:7: endpoint "GET /a": rules[0] has no match and answers every request: the rule after it is never asked`,
		"GET /a: {state: {scenario: s, is: a}, body: 1}\nGET /a#2: {state: {scenario: s, is: b}, body: 2}\nGET /a#3: {body: 3}\n":        "",
		"GET /a: {state: {scenario: s, is: a}, body: 1}\nGET /a#2: {state: {scenario: s, is: a}, body: 2}\n":                             `s.yaml:2:1: endpoint "GET /a#2" is never asked: "GET /a" (line 1) answers all of its requests`,
		// Faults.
		"GET /a: {fault: reset, latency_ms: 5}\n":                                     "",
		"GET /a: {body: ß, content_type: text/plain; charset=utf_8x}\n":               `s.yaml:1:33: endpoint "GET /a": content_type: the charset "utf_8x" is not known: text is sent in UTF-8`,
		"GET /a: {body: ß, headers: {CONTENT-type: [text/x; charset=\"klingon\"]}}\n": `s.yaml:1:44: endpoint "GET /a": headers.CONTENT-type: the charset "klingon" is not known: text is sent in UTF-8`,
		"GET /a: {rules: [{body_text_template: x, content_type: a/b;charset=-}]}\n":   `s.yaml:1:56: endpoint "GET /a": rules[0]: content_type: the charset "-" is not known: text is sent in UTF-8`,
		"GET /a: {file: x, content_type: text/plain; charset=klingon}\n":              "",
		"GET /a: {body: x, content_type: text/plain; charset=US-ASCII}\n":             "",
		"GET /a: {body: x, content_type: 'text/plain; Charset=\"SHIFT_JIS\"'}\n":      "",
		"GET /a: {fault: reset, body: x}\n":                                           `s.yaml:1:30: endpoint "GET /a": body does not count beside fault: reset, which sends nothing of the answer; after: sends its begin, rate: lets some answers be`,
		"GET /a: {fault: {kind: reset, rate: 0.5}, body: x}\n":                        "",
		"GET /a: {fault: {kind: close, after: 5}, body: x}\n":                         "",
		"GET /a: {fault: truncate, body: x}\n":                                        "",
		"GET /a: {fault: reset, state: {scenario: s, then: b}, rules: [{body: x}]}\n": "",
		// Expressions where none is computed.
		"POST /a:\n  body:\n    id: 1\n    at: 'since {{now_iso}}'\n":              `s.yaml:4:9: endpoint "POST /a": body: {{now_iso}} is sent as it is: body_template computes it`,
		"POST /a:\n  body: '{{uuid}}'\n":                                           `s.yaml:2:9: endpoint "POST /a": body: {{uuid}} is sent as it is: body_text_template computes it`,
		"POST /a:\n  body: 'a {{ b'\n":                                             "",
		"POST /a:\n  body_template: {'{{uuid}}': 1}\n":                             `s.yaml:2:19: endpoint "POST /a": body_template: the key "{{uuid}}" is sent as it is: only values are computed`,
		"POST /a:\n  content_type: '{{state(type)}}'\n  body: x\n":                 `s.yaml:2:17: endpoint "POST /a": content_type: {{state(type)}} is not computed here`,
		"POST /a:\n  match: {headers: {X-A: '{{state(a)}}'}}\n  body: x\n":         `s.yaml:2:26: endpoint "POST /a": match: {{state(a)}} is not computed here`,
		"POST /a:\n  match: {headers: {X-A: '*'}, query: {q: '*'}}\n  body: x\n":   "s.yaml:2:26: endpoint \"POST /a\": match.headers.X-A: * is compared as it is: an empty text stands for any value\ns.yaml:2:43: endpoint \"POST /a\": match.query.q: * is compared as it is: an empty text stands for any value",
		"POST /a:\n  body_template: {a: '{{uuid}}'}\n  headers: {X: '{{uuid}}'}\n": "",
		// Paths.
		"GET /users/:id: {}\n":              `s.yaml:1:1: endpoint "GET /users/:id": :id is text here: write {id}`,
		"GET /users/:id/x/:other: {}\n":     `s.yaml:1:1: endpoint "GET /users/:id/x/:other": :id is text here: write {id}`,
		"GET /users/<int:id>/x: {}\n":       `s.yaml:1:1: endpoint "GET /users/<int:id>/x": <int:id> is text here: write {id}`,
		"https://h/users/:id: {body: {}}\n": `s.yaml:1:1: endpoint "https://h/users/:id": :id is text here: write {id}`,
		"GET /a/*/b: {}\n":                  `s.yaml:1:1: endpoint "GET /a/*/b": * in the middle of a path is one segment: write {name} for it, or end the path with * for all that begins so`,
		"GET /a*/b: {}\n":                   `s.yaml:1:1: endpoint "GET /a*/b": * within a* is text: only at the end of a path it stands for anything; write {name} for a part of a segment`,
		"GET /a/*.json: {}\n":               `s.yaml:1:1: endpoint "GET /a/*.json": * within *.json is text: only at the end of a path it stands for anything; write {name} for a part of a segment`,
		"GET /a/.*: {}\n":                   `s.yaml:1:1: endpoint "GET /a/.*": .* is text here: a path is no regular expression; {name} is one segment, * at the end all that begins so`,
		"GET /a/[0-9]+/b: {}\n":             `s.yaml:1:1: endpoint "GET /a/[0-9]+/b": [0-9]+ is text here: a path is no regular expression; {name} is one segment, * at the end all that begins so`,
		"GET /a/**: {}\nGET /b*: {}\n'* /c': {}\nGET *: {}\nGET /d/{x}.json: {}\nGET /at/12:30: {}\n": "",
		"GET /a?q=*&r=1: {}\n": `s.yaml:1:1: endpoint "GET /a?q=*&r=1": * of the query parameter q is compared as it is: without a value it stands for any`,
		// Keys that do not count.
		"GET /a: {body: 1, file: f}\n":                              "s.yaml:1:16: endpoint \"GET /a\": body does not count beside file",
		"GET /a: {body_template: {}, body: 1}\n":                    `s.yaml:1:35: endpoint "GET /a": body does not count beside body_template`,
		"GET /a: {rules: [{body: 1}], status: 404, body: 2}\n":      "s.yaml:1:38: endpoint \"GET /a\": status does not count beside rules\ns.yaml:1:49: endpoint \"GET /a\": body does not count beside rules",
		"GET /a: {patch: {a: 1}, headers: {X: y}, latency_ms: 2}\n": "",
		"GET /a: {patch: {a: 1}, headers: {X: y}, status: 201}\n":   `s.yaml:1:50: endpoint "GET /a": status does not count beside patch`,
		"GET /a: {body: 1, addon_config: {x: 1}}\n":                 `s.yaml:1:33: endpoint "GET /a": addon_config does not count without addon`,
		// Endpoints that another one hides.
		"GET /users/{id}: {}\nGET /users/{name}: {}\n":                                                                                 `s.yaml:2:1: endpoint "GET /users/{name}" is never asked: "GET /users/{id}" (line 1) answers all of its requests`,
		"GET /a#1: {}\nGET /b: {}\nGET /a#2: {}\n":                                                                                     `s.yaml:3:1: endpoint "GET /a#2" is never asked: "GET /a#1" (line 1) answers all of its requests`,
		"GET /api/x: {}\nGET /api/*: {priority: 1}\n":                                                                                  `s.yaml:1:1: endpoint "GET /api/x" is never asked: "GET /api/*" (line 2) answers all of its requests`,
		"POST /a: {}\n'* /a': {priority: 1}\n":                                                                                         `s.yaml:1:1: endpoint "POST /a" is never asked: "* /a" (line 2) answers all of its requests`,
		"GET /a: {match: {query: {x: y}}}\nGET /a#2: {match: {query: {x: y}}}\n":                                                       `s.yaml:2:1: endpoint "GET /a#2" is never asked: "GET /a" (line 1) answers all of its requests`,
		"https://h/a: {body: 1}\nGET https://h/a#2: {}\n":                                                                              `s.yaml:2:1: endpoint "GET https://h/a#2" is never asked: "GET https://h/a" (line 1) answers all of its requests`,
		"GET /a: {}\nPOST /a: {}\n'* /a': {}\nGET /a/{x}: {}\nGET /a/*: {}\nGET /*: {}\nHEAD /a: {}\n":                                 "",
		"GET /a: {}\nGET /a#2: {match: {query: {x: y}}}\nWEBSOCKET /a: {status: 404}\nhttps://h/a: {body: 1}\nhttp://h/a: {body: 1}\n": "",
		"GET /api/x: {}\nPOST /api/*: {priority: 1}\n":                                                                                 "",
	} {
		var log Warnings
		env := testEnv(t)
		env.Log = slog.New(&log)
		if _, err := Parse("s.yaml", []byte(text), env); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		log = slices.DeleteFunc(log, func(w string) bool { return strings.Contains(w, "no file") })
		got := strings.Join(log, "\n")
		if got != want {
			t.Errorf("%s: warnings are\n%s\nwant\n%s", text, got, want)
		}
	}
}

// TestLintsOfScript checks that the data of a script is looked at, too.
func TestLintsOfScript(t *testing.T) {
	t.Parallel()
	var log Warnings
	env := testEnv(t)
	env.Log = slog.New(&log)
	text := "def f(req):\n    return {\"body\": \"{{x}}\"}\n" +
		"endpoints = {\n  \"GET /:id\": f,\n  \"GET /b\": {\"body\": \"{{uuid}}\"},\n  \"GET /{x}\": f,\n  \"GET /{y}\": f,\n}\n"
	if _, err := Parse("s.star", []byte(text), env); err != nil {
		t.Fatal(err)
	}
	want := `s.star:4:3: endpoint "GET /:id": :id is text here: write {id}
s.star:5:22: endpoint "GET /b": body: {{uuid}} is sent as it is: body_text_template computes it
s.star:7:3: endpoint "GET /{y}" is never asked: "GET /{x}" (line 6) answers all of its requests`
	if got := strings.Join(log, "\n"); got != want {
		t.Errorf("warnings are\n%s\nwant\n%s", got, want)
	}
}

// TestHiddenOfMany checks that looking for hidden endpoints stays cheap.
func TestHiddenOfMany(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "POST /graphql#%d: {match: {body_json: {operation: op%d}}}\n", i, i)
	}
	var log Warnings
	env := testEnv(t)
	env.Log = slog.New(&log)
	s, err := Parse("s.yaml", []byte(b.String()), env)
	if err != nil || len(s.Endpoints) != 3000 || len(log) > 0 {
		t.Errorf("%v, warnings %v", err, log)
	}
}
