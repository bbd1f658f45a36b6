// The editor of the page, made of CodeMirror 6. "make ui" bundles it; editor.js loads it
// when an editor is opened. It knows no methods of the proxy: the page gives functions.

import { autocompletion, completionKeymap, startCompletion } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import { python } from '@codemirror/lang-python';
import { yaml } from '@codemirror/lang-yaml';
import { HighlightStyle, bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { EditorState } from '@codemirror/state';
import { EditorView, drawSelection, highlightActiveLine, hoverTooltip, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';

const languages = { json, python, yaml };

// The colours are those of the page, whose variables reach into the shadow root.
const colours = HighlightStyle.define([
	{ tag: [tags.propertyName, tags.definition(tags.propertyName), tags.function(tags.variableName)], color: 'var(--accent)' },
	{ tag: [tags.string, tags.special(tags.string)], color: 'var(--green)' },
	{ tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--amber)' },
	{ tag: tags.keyword, color: 'var(--accent)', fontWeight: 'bold' },
	{ tag: [tags.comment, tags.meta], color: 'var(--dim)', fontStyle: 'italic' },
	{ tag: tags.invalid, color: 'var(--red)' },
]);

const theme = EditorView.theme({
	'&': { height: '100%', color: 'var(--text)', backgroundColor: 'var(--bg)' },
	'.cm-scroller': { font: 'var(--mono)', overflow: 'auto' },
	'.cm-content': { caretColor: 'var(--text)' },
	'.cm-cursor': { borderLeftColor: 'var(--text)' },
	'.cm-gutters': { backgroundColor: 'var(--raised)', color: 'var(--dim)', border: '0' },
	'.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--on) 40%, transparent)' },
	'&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--on) !important' },
	'.cm-tooltip': { backgroundColor: 'var(--raised)', color: 'var(--text)', border: '1px solid var(--line)', maxWidth: '60ch', whiteSpace: 'pre-wrap' },
	'.cm-tooltip-hover': { padding: '4px 8px' },
	'.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--on)', color: 'var(--text)' },
	'.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--text)' },
	'.cm-searchMatch': { backgroundColor: 'var(--lit)' },
});

const place = (state, offset) => {
	const line = state.doc.lineAt(offset);
	return [line.number, offset - line.from + 1];
};

// mount puts an editor into the shadow root of host. language is yaml, json or python.
// hint gives {items: [{label, insert, detail, doc}], from, doc} for a text, line and column,
// in which from is the column where an item is inserted; changed is called with each text.
export function mount(host, { text, language, readOnly, label, hint, changed }) {
	const root = host.attachShadow({ mode: 'open' });
	const ask = (state, at) => hint ? hint(state.doc.toString(), ...place(state, at)).catch(() => null) : null;

	async function complete(context) {
		if (!context.explicit && !context.matchBefore(/[\w$.]$/)) return null;
		const found = await ask(context.state, context.pos);
		if (!found?.items.length) return null;
		return {
			from: context.state.doc.lineAt(context.pos).from + found.from - 1,
			options: found.items.map(({ label, insert, detail, doc }) => ({ label, apply: insert, detail, info: doc })),
			validFor: /^[\w$-]*$/,
		};
	}
	const hover = hoverTooltip(async (view, pos) => {
		const found = await ask(view.state, pos);
		if (!found?.doc) return null;
		const dom = document.createElement('div');
		dom.textContent = found.doc;
		return { pos, above: true, create: () => ({ dom }) };
	});
	const view = new EditorView({
		parent: root, root,
		state: EditorState.create({
			doc: text,
			extensions: [
				lineNumbers(), foldGutter(), lintGutter(), history(), drawSelection(), indentOnInput(), bracketMatching(), highlightActiveLine(),
				highlightSelectionMatches(), search({ top: true }), syntaxHighlighting(colours), theme,
				indentUnit.of(language === 'python' ? '    ' : '  '), languages[language]?.() ?? [],
				EditorState.readOnly.of(!!readOnly), EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
				hint ? [autocompletion({ override: [complete] }), hover] : [],
				// Tab leaves the editor, as it leaves a text field; Ctrl+Enter is the dialog's.
				keymap.of([...completionKeymap, { key: 'Ctrl-Space', run: startCompletion }, ...searchKeymap, ...lintKeymap, ...foldKeymap, ...historyKeymap, ...defaultKeymap.filter(k => k.key !== 'Mod-Enter')]),
				EditorView.updateListener.of(u => u.docChanged && changed?.(u.state.doc.toString())),
			],
		}),
	});
	return {
		focus: () => view.focus(),
		set(next) {
			if (next !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } });
		},
		// mark shows [{line, column, message, bad}].
		mark(list) {
			const { doc } = view.state;
			view.dispatch(setDiagnostics(view.state, list.filter(m => m.line > 0 && m.line <= doc.lines).map(({ line, column, message, bad }) => {
				const at = doc.line(line), from = Math.min(at.from + Math.max(column - 1, 0), at.to);
				return { from: Number.isNaN(from) ? at.from : from, to: at.to, severity: bad ? 'error' : 'warning', message };
			})));
		},
		show: line => {
			const at = view.state.doc.line(Math.min(line, view.state.doc.lines));
			view.dispatch({ selection: { anchor: at.from }, effects: EditorView.scrollIntoView(at.from, { y: 'center' }) });
		},
	};
}
