/** Texts of files with syntax colours. The editor is loaded when the first one is shown. */
import { Box } from "@chakra-ui/react";
import { useEffect, useMemo, useRef, useState } from "react";

import type { Difference } from "src/components/code/editor";
import { ErrorState, Loading } from "src/components/states";

const COLOURS = {
  "--code-text": "{colors.fg}",
  "--code-keyword": "{colors.purple.fg}",
  "--code-string": "{colors.green.fg}",
  "--code-string-on-colour": "color-mix(in srgb, {colors.green.fg} 40%, {colors.fg})",
  "--code-comment": "{colors.fg.muted}",
  "--code-number": "{colors.orange.fg}",
  "--code-name": "{colors.blue.fg}",
  "--code-type": "{colors.teal.fg}",
  "--code-focus": "{colors.blue.solid}",
  "--code-added": "color-mix(in srgb, {colors.green.solid} 14%, transparent)",
  "--code-added-strong": "color-mix(in srgb, {colors.green.solid} 26%, transparent)",
  "--code-removed": "color-mix(in srgb, {colors.red.solid} 14%, transparent)",
  "--code-removed-strong": "color-mix(in srgb, {colors.red.solid} 26%, transparent)",
  "--code-collapsed": "{colors.bg.muted}",
  "--code-font": "{fonts.mono}",
};

type Show = (parent: HTMLElement) => Promise<{ destroy: () => void }>;

function Editor({ show, name, maxHeight = "65vh" }: { show: Show; name: string; maxHeight?: string }) {
  const parent = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<Error | "loading" | "shown">("loading");
  useEffect(() => {
    let ended = false;
    let shown: { destroy: () => void } | undefined;
    setState("loading");
    if (parent.current !== null) {
      show(parent.current).then(
        (made) => {
          if (ended) made.destroy();
          else {
            shown = made;
            setState("shown");
          }
        },
        (error: unknown) => setState(error instanceof Error ? error : new Error(String(error))),
      );
    }
    return () => {
      ended = true;
      shown?.destroy();
    };
  }, [show]);
  return (
    <Box borderWidth="1px" borderRadius="md" overflow="auto" maxHeight={maxHeight} bg="bg" data-testid={name} data-state={state === "shown" ? "shown" : "waiting"} css={COLOURS}>
      {state === "loading" ? <Loading rows={6} label="Loading the file" /> : undefined}
      {state instanceof Error ? <ErrorState error={state} /> : undefined}
      <div ref={parent} />
    </Box>
  );
}

/** One file's text. */
export function CodeView({ text, path, label, maxHeight }: { text: string; path: string; label?: string; maxHeight?: string }) {
  const show = useMemo(() => shower(text, path, label ?? path), [text, path, label]);
  return <Editor show={show} name="code" maxHeight={maxHeight} />;
}

function shower(text: string, path: string, label: string): Show {
  return async (parent) => (await import("src/components/code/editor")).showCode(parent, text, path, label);
}

/** One file in two states. */
export function DiffView({ path, before, after, from, to, sideBySide, whole }: Difference) {
  const show = useMemo(
    () => differ({ path, before, after, from, to, sideBySide, whole }),
    [path, before, after, from, to, sideBySide, whole],
  );
  return <Editor show={show} name={sideBySide ? "diff-side-by-side" : "diff-inline"} />;
}

function differ(difference: Difference): Show {
  return async (parent) => (await import("src/components/code/editor")).showDifference(parent, difference);
}
