/** How the grid looks, by class: a page has a thousand cells, too many for a styled component each. */
const STATES: Record<string, string> = {
  success: "✓",
  failed: "✕",
  upstream_failed: "↑",
  skipped: "»",
  running: "▶",
  restarting: "↻",
  up_for_retry: "↻",
  up_for_reschedule: "↻",
  deferred: "◷",
  queued: "…",
  scheduled: "·",
  removed: "–",
  none: "",
};

export const ROW = 24;
export const COLUMN = 26;
export const NAME = 260;
export const HEAD = 76;

// The sign tells states apart without colours.
const COLOURS = Object.fromEntries(
  Object.entries(STATES).flatMap(([state, sign]) => [
    [`& .s-${state} .box`, { background: `var(--chakra-colors-${state}-solid)` }],
    [`& .cell.s-${state} .box::before`, { content: `"${sign}"` }],
  ]),
);

export const LOOK = {
  position: "relative",
  overflow: "auto",
  borderWidth: "1px",
  borderRadius: "md",
  bg: "bg",
  "& .head": { position: "sticky", top: 0, zIndex: 3, display: "flex", bg: "bg", borderBottomWidth: "1px", height: `${HEAD}px` },
  "& .corner": {
    position: "sticky",
    left: 0,
    zIndex: 4,
    width: `${NAME}px`,
    flexShrink: 0,
    bg: "bg",
    display: "flex",
    alignItems: "flex-end",
    px: 2,
    pb: 1,
    color: "fg.muted",
    fontSize: "xs",
  },
  "& .row": { position: "absolute", left: 0, height: `${ROW}px`, display: "flex", width: "100%", transition: "transform 450ms ease" },
  "@media (prefers-reduced-motion: reduce)": { "& .row": { transition: "none" } },
  "& .row:hover": { bg: "bg.muted" },
  "& .name": {
    position: "sticky",
    left: 0,
    zIndex: 2,
    width: `${NAME}px`,
    flexShrink: 0,
    bg: "bg",
    display: "flex",
    alignItems: "center",
    gap: 1,
    fontSize: "sm",
    whiteSpace: "nowrap",
    overflow: "hidden",
    textOverflow: "ellipsis",
    borderRightWidth: "1px",
  },
  "& .name.removed": { color: "fg.muted", textDecoration: "line-through" },
  "& .name button": { display: "flex", alignItems: "center", gap: 1, fontWeight: "bold", cursor: "pointer" },
  "& .cell, & .run": {
    width: `${COLUMN}px`,
    flexShrink: 0,
    display: "flex",
    justifyContent: "center",
    alignItems: "center",
    position: "relative",
    padding: 0,
  },
  "& .run": { height: "100%", justifyContent: "flex-end", gap: "2px", cursor: "pointer", flexDirection: "column" },
  "& button.cell": { cursor: "pointer" },
  "& .cell .box": {
    width: "16px",
    height: "16px",
    borderRadius: "3px",
    color: "white",
    fontSize: "11px",
    lineHeight: "16px",
    textAlign: "center",
    display: "block",
  },
  "& .cell.s-none .box": { borderWidth: "1px", borderStyle: "dashed", borderColor: "border.emphasized", background: "transparent" },
  "& .run .box": { width: "14px", borderRadius: "3px 3px 0 0", display: "block" },
  // What it failed on before it was run again stays to be seen.
  "& .run.failed-before .box": { borderBottom: "4px solid var(--chakra-colors-failed-solid)" },
  "& .cell.group .box": { borderRadius: "8px" },
  "& .selected": { bg: "bg.info" },
  "& .cell:focus-visible, & .run:focus-visible": { outline: "2px solid", outlineColor: "fg.info", outlineOffset: "-2px", zIndex: 1 },
  // A release began here: a line down the whole grid, and its number on top of it.
  "& .changed": { borderLeftWidth: "2px", borderLeftColor: "fg.info", borderLeftStyle: "solid" },
  "& .release": {
    position: "absolute",
    top: "2px",
    left: "2px",
    fontSize: "10px",
    fontWeight: "bold",
    color: "fg.info",
    whiteSpace: "nowrap",
    bg: "bg",
    px: "1px",
  },
  // Another version than most tasks of its run, or tasks of a group on several: a corner on the box.
  "& .cell.mixed .box::after": {
    content: '""',
    position: "absolute",
    top: "2px",
    right: "3px",
    width: 0,
    height: 0,
    borderLeft: "7px solid transparent",
    borderTop: "7px solid var(--chakra-colors-fg)",
  },
  "& .run.marked": { outline: "2px dashed", outlineColor: "fg.info", outlineOffset: "-3px" },
  "& .run.mixed .caret": { color: "fg", fontSize: "10px", lineHeight: "10px" },
  ...COLOURS,
} as const;

export function stateClass(state: string | null | undefined): string {
  const name = state ?? "none";
  return `s-${name in STATES ? name : "none"}`;
}
