package interop

import (
	"path/filepath"
	"strings"
	"testing"
)

// readStubs is a program that reads each stub as Python does, and prints what it defines.
const readStubs = `
import ast, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    module = path.relative_to(sys.argv[1]).with_suffix("").as_posix().replace("/__init__", "").replace("__init__", ".")
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            assert ast.get_docstring(node), node.name
            print(module, node.name, ",".join(a.arg for a in node.args.args), ast.get_docstring(node).splitlines()[0])
        if isinstance(node, ast.ClassDef):
            print(module, node.name, ",".join(n.name for n in node.body if isinstance(n, ast.FunctionDef)))
`

// The stubs for language servers are Python that Python reads.
func TestStubsArePython(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	env := environ([]string{bin})
	if out := run(t, dir, env, "starproxy", "script", "stubs", "stubs"); out.code != 0 || !strings.HasSuffix(out.stdout, "stubs/starpls.json\n") {
		t.Fatal(out)
	}
	write(t, filepath.Join(dir, "read.py"), readStubs)
	out := run(t, dir, env, program(t, "python3"), "read.py", filepath.Join("stubs", "starlark-lsp"))
	for _, want := range []string{
		". response status,body,headers,content_type,file,latency_ms,stream Makes an answer.",
		"state incr key,by Adds to a number",
		"stdlib/sequence sequence ",
		". Req query_all,", "assert eq ",
	} {
		if !strings.Contains(out.stdout, "\n"+want) && !strings.HasPrefix(out.stdout, want) {
			t.Errorf("no line begins with %q in: %s", want, out)
		}
	}
}
