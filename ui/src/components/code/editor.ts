/** CodeMirror, set up for reading: one text, or two side by side or one over the other. */
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { MergeView, unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import type { Extension } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

import { languageOf } from "src/components/code/language";

const STYLE = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-string)" },
  { tag: tags.comment, color: "var(--code-comment)", fontStyle: "italic" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--code-number)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName))], color: "var(--code-name)" },
  { tag: [tags.className, tags.typeName, tags.propertyName, tags.meta], color: "var(--code-type)" },
  { tag: tags.heading, fontWeight: "bold" },
]);

const THEME = EditorView.theme({
  "&": { fontSize: "13px", backgroundColor: "transparent", color: "var(--code-text)" },
  "&.cm-focused": { outline: "2px solid var(--code-focus)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--code-font)", lineHeight: "1.5" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--code-comment)", border: "none" },
  ".cm-content": { caretColor: "transparent" },
  ".cm-changedLine, .cm-insertedLine": { backgroundColor: "var(--code-added) !important" },
  "&.cm-merge-a .cm-changedLine, .cm-deletedLine, .cm-deletedChunk": {
    backgroundColor: "var(--code-removed) !important",
  },
  ".cm-changedText, .cm-insertedLine .cm-changedText": { background: "var(--code-added-strong) !important" },
  "&.cm-merge-a .cm-changedText, .cm-deletedChunk .cm-deletedText, .cm-deletedText": {
    background: "var(--code-removed-strong) !important",
  },
  // On a coloured ground the muted grey of a comment is too faint, and the green of a string.
  ".cm-changedLine, .cm-insertedLine, .cm-deletedLine, .cm-deletedChunk": {
    "--code-comment": "var(--code-text)",
    "--code-string": "var(--code-string-on-colour)",
  },
  ".cm-collapsedLines": {
    background: "var(--code-collapsed) !important",
    color: "var(--code-text)",
    padding: "4px 12px",
  },
  // Its own marks are letters that few fonts have.
  ".cm-collapsedLines:before, .cm-collapsedLines:after": { content: '"" !important' },
});

const WRAP = EditorView.lineWrapping;

async function extensions(path: string, label: string, ...more: Extension[]): Promise<Extension[]> {
  return [
    lineNumbers(),
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-multiline": "true" }),
    syntaxHighlighting(STYLE),
    THEME,
    await languageOf(path),
    ...more,
  ];
}

interface Shown {
  destroy: () => void;
}

export async function showCode(parent: HTMLElement, text: string, path: string, label: string): Promise<Shown> {
  return new EditorView({ parent, doc: text, extensions: await extensions(path, label) });
}

export interface Difference {
  path: string;
  before: string;
  after: string;
  /** What each side is, for screen readers: "build 3". */
  from: string;
  to: string;
  sideBySide: boolean;
  whole: boolean;
}

export async function showDifference(parent: HTMLElement, { path, before, after, from, to, sideBySide, whole }: Difference): Promise<Shown> {
  const collapseUnchanged = whole ? undefined : { margin: 3, minSize: 6 };
  const diffConfig = { scanLimit: 2_000, timeout: 500 };
  if (sideBySide) {
    return new MergeView({
      parent,
      a: { doc: before, extensions: await extensions(path, `${path} in ${from}`, WRAP) },
      b: { doc: after, extensions: await extensions(path, `${path} in ${to}`, WRAP) },
      collapseUnchanged,
      diffConfig,
    });
  }
  return new EditorView({
    parent,
    doc: after,
    extensions: [
      await extensions(path, `${path}: ${from} and ${to}`, WRAP),
      unifiedMergeView({ original: before, mergeControls: false, collapseUnchanged, diffConfig }),
    ],
  });
}
