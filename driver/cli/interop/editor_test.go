package interop

import (
	"path/filepath"
	"strings"
	"testing"
)

// askServer is a program that opens a document in the language server, and prints what that
// finds wrong, what it completes at a place, and what it explains at another one.
const askServer = `
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
const [server, file, completeAt, hoverAt] = process.argv.slice(2);
const lsp = spawn(process.execPath, [server, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const uri = "file://" + process.cwd() + "/" + file, waiting = new Map();
let id = 0, data = Buffer.alloc(0), diagnosed;
const diagnostics = new Promise(resolve => { diagnosed = resolve; });
function send(message) {
  const text = JSON.stringify({ jsonrpc: "2.0", ...message });
  lsp.stdin.write("Content-Length: " + Buffer.byteLength(text) + "\r\n\r\n" + text);
}
function call(method, params) {
  return new Promise(resolve => { waiting.set(++id, resolve); send({ id, method, params }); });
}
function got(m) {
  if (m.method === "textDocument/publishDiagnostics") diagnosed(m.params.diagnostics);
  else if (m.method && m.id !== undefined) send({ id: m.id, result: m.method === "workspace/configuration" ? m.params.items.map(() => ({})) : null });
  else if (waiting.has(m.id)) waiting.get(m.id)(m.result);
}
lsp.stdout.on("data", chunk => {
  data = Buffer.concat([data, chunk]);
  for (;;) {
    const end = data.indexOf("\r\n\r\n");
    const length = end < 0 ? 0 : Number(/Content-Length: (\d+)/.exec(data.subarray(0, end))[1]);
    if (end < 0 || data.length < end + 4 + length) return;
    const message = JSON.parse(data.subarray(end + 4, end + 4 + length));
    data = data.subarray(end + 4 + length);
    got(message);
  }
});
const place = text => ({ textDocument: { uri }, position: { line: Number(text.split(":")[0]), character: Number(text.split(":")[1]) } });
const folder = "file://" + process.cwd();
await call("initialize", { processId: process.pid, rootUri: folder, workspaceFolders: [{ uri: folder, name: "mocks" }],
  capabilities: { workspace: { configuration: true }, textDocument: { completion: {}, hover: {} } } });
send({ method: "initialized", params: {} });
send({ method: "textDocument/didOpen", params: { textDocument: { uri, languageId: "yaml", version: 1, text: readFileSync(file, "utf8") } } });
for (const d of await diagnostics) console.log("wrong", d.range.start.line, d.message);
for (const c of (await call("textDocument/completion", place(completeAt))).items) console.log("complete", c.label);
console.log("hover", JSON.stringify((await call("textDocument/hover", place(hoverAt))).contents));
lsp.kill();
`

// The language server for YAML reads the schemas: it completes keys, explains them, and marks
// unknown ones.
func TestEditorOfYAML(t *testing.T) {
	t.Parallel()
	forMakeTest(t)
	server := made("node/node_modules/yaml-language-server/bin/yaml-language-server")(t)
	node := program(t, "node")
	env := environ([]string{bin})
	for _, test := range []struct{ document, text, complete, hover, wrong, completes, explains string }{
		{"scenario", "endpoints:\n  GET /a: {stauts: 200}\n  GET /b:\n    status: 200\n    \n", "5:4", "4:6",
			"wrong 2 Property stauts is not allowed.", "complete latency_ms\n", "HTTP status; default 200."},
		{"exporter", "apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nmetadata: {names: a}\nhooks:\n  \n", "5:2", "2:2",
			"wrong 4 Incorrect type", "complete beforeLease\n", "hover "},
	} {
		t.Run(test.document, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t)
			out := run(t, dir, env, "starproxy", "schema", test.document)
			write(t, filepath.Join(dir, "a.schema.json"), out.stdout)
			write(t, filepath.Join(dir, "a.yaml"), "# yaml-language-server: $schema=a.schema.json\n"+test.text)
			write(t, filepath.Join(dir, "ask.mjs"), askServer)
			out = run(t, dir, env, node, "ask.mjs", server, "a.yaml", test.complete, test.hover)
			for _, want := range []string{test.wrong, test.completes, test.explains} {
				if out.code != 0 || !strings.Contains(out.stdout, want) {
					t.Errorf("no %q in: %s", want, out)
				}
			}
		})
	}
}
