package web

import "embed"

// dist has what "make ui" bundles of CodeMirror, if that was run before the build.
//
//go:embed codemirror/dist
var dist embed.FS

// editorFile is the module that ui/editor.js loads when an editor is opened.
const editorFile = "codemirror.js"

// editorBundle returns the module with CodeMirror. In a build without it, the module has
// no editor, and the page has text fields.
func editorBundle() string {
	data, err := dist.ReadFile("codemirror/dist/" + editorFile)
	if err != nil {
		return "export const mount = null;\n"
	}
	return string(data)
}
