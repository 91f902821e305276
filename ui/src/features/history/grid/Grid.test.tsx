import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";

import type { Cell, GridRun } from "src/api/history";
import type { Version } from "src/api/versions";
import { Grid } from "src/features/history/grid/Grid";
import type { Row } from "src/features/history/grid/rows";

const version = (release: number): Version => ({
  key: `r${release}`,
  kind: "release",
  release,
  build: release,
  digest: `${release}`,
  airflow_version: null,
  label: null,
  bundle: "b",
  bundle_version: "0".repeat(40),
  author: null,
  message: null,
  committed_at: null,
  path: null,
  released_at: null,
  released_by: null,
  release_kind: null,
  reason: null,
  adopted: false,
  url: null,
});
const VERSIONS = { r1: version(1), r2: version(2) };

const run = (id: string, more: Partial<GridRun> = {}): GridRun => ({
  run_id: id,
  state: "success",
  run_type: "manual",
  logical_date: null,
  run_after: "2026-01-01T00:00:00Z",
  queued_at: null,
  start_date: "2026-01-01T00:00:00Z",
  end_date: "2026-01-01T00:01:00Z",
  bundle_version: null,
  version: "r1",
  versions: ["r1"],
  mixed: false,
  changed: false,
  previous_version: null,
  failed_on: [],
  bound_by: "active",
  ...more,
});
const row = (id: string, more: Partial<Row> = {}): Row => ({
  key: `/${id}`,
  id,
  label: id,
  isGroup: false,
  mapped: false,
  operator: null,
  inside: [],
  removed: false,
  ...more,
});

function show(rows: Row[], runs: GridRun[], cells: Record<string, Cell | null>, more: object = {}) {
  const props = {
    dagId: "d",
    runs,
    versions: VERSIONS,
    rows,
    exists: () => true,
    lacking: () => undefined,
    mostOn: ({ version: key }: GridRun) => key,
    marked: [],
    onMark: vi.fn(),
    cellAt: (runId: string, { id }: Row) => cells[`${runId} ${id}`],
    closed: new Set<string>(),
    onToggle: vi.fn(),
    run: undefined,
    task: undefined,
    onSelect: vi.fn(),
    onSight: vi.fn(),
    ...more,
  };
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient()}>
        <Grid {...props} />
      </QueryClientProvider>
    </ChakraProvider>,
  );
  return props;
}

describe("the grid", () => {
  it("says of each cell what it ran on, and marks what ran on another version than most tasks of its run", () => {
    const cells: Record<string, Cell> = {
      "one a": { state: "success", tries: 1, version: "r2" },
      "one b": { state: "failed", tries: 2, version: "r2", versions: ["r1", "r2"] },
      "one c": { state: "success", tries: 1, version: "r1" },
      "one d": { state: "success", tries: 2, version: "r1", versions: ["r2", "r1"] },
      "one g": { state: "success", tries: 0, version: "r1" },
      "one h": { state: "success", tries: 0, version: "r2", versions: ["r1", "r2"] },
    };
    const runs = [run("one", { version: "r2", versions: ["r1", "r2"], mixed: true })];
    const groups = [row("g", { isGroup: true }), row("h", { isGroup: true })];
    show([row("a"), row("b"), row("c"), row("d"), ...groups], runs, cells, { mostOn: () => "r1" });
    const marked = (name: RegExp) => screen.getByRole("button", { name }).dataset["mixed"];
    expect(marked(/^a in run one: success; on Release 2/)).toBe("true");
    expect(marked(/^b in run one: failed; on Release 1 .*, Release 2/)).toBe("true");
    expect(marked(/^c in run one: success; Release 1$/)).toBe("false");
    expect(marked(/^d in run one: success; on Release 2 .*, Release 1/)).toBe("false");
    const together = (name: RegExp) => screen.getByRole("gridcell", { name }).dataset["mixed"];
    expect(together(/^g in run one/)).toBe("false");
    expect(together(/^h in run one/)).toBe("true");
    expect(screen.getByRole("button", { name: /Run one: success; mixed versions: Release 1, Release 2/ })).toBeTruthy();
  });

  it("leaves a cell empty where the task did not exist", () => {
    show([row("a")], [run("one"), run("two")], { "one a": { state: "success", tries: 1, version: "r1" }, "two a": null });
    expect(screen.getAllByRole("gridcell")).toHaveLength(2);
    expect(screen.queryByRole("button", { name: /a in run two/ })).toBeNull();
  });

  it("shows a moved task only where it was in that version", () => {
    const cell = { state: "success", tries: 1, version: "r1" };
    const exists = (_: string, { key }: Row) => key === "/[g1]/x";
    show([row("x", { key: "/[g1]/x" }), row("x", { key: "/[g2]/x" })], [run("one")], { "one x": cell }, { exists });
    expect(screen.getAllByRole("button", { name: /x in run one/ })).toHaveLength(1);
  });

  it("strikes a name through that the compared structure lacks, and says which one that is", () => {
    show([row("a"), row("b", { removed: true })], [run("one")], {}, { lacking: ({ id }: Row) => (id === "a" ? "Release 1" : undefined) });
    const [a, b] = screen.getAllByRole("rowheader");
    expect([a?.className, a?.title]).toEqual(["name removed", "a: not in Release 1"]);
    expect([b?.className, b?.title]).toEqual(["name", "b"]);
  });

  it("marks a run to be compared with Ctrl, by the pointer and by the keyboard, and chooses nothing then", () => {
    const cell = { state: "success", tries: 1, version: "r1" };
    const { onMark, onSelect } = show([row("a")], [run("one"), run("two")], { "one a": cell }, { marked: ["two"] });
    fireEvent.click(screen.getByRole("button", { name: /^Run one/ }), { ctrlKey: true });
    fireEvent.click(screen.getByRole("button", { name: /^a in run one/ }), { metaKey: true });
    fireEvent.keyDown(screen.getByRole("button", { name: /^Run two.*; marked to be compared$/ }), { key: "Enter", ctrlKey: true });
    expect(onMark.mock.calls).toEqual([["one"], ["one"], ["two"]]);
    expect(onSelect).not.toHaveBeenCalled();
  });

  it("draws of a thousand tasks only those in sight", () => {
    const rows = Array.from({ length: 1000 }, (_, number) => row(`t${number}`));
    const { onSight } = show(rows, [run("one")], {});
    expect(screen.getAllByRole("rowheader").length).toBeLessThan(60);
    expect(onSight).toHaveBeenCalledWith(0, expect.any(Number));
    expect(screen.getByRole("grid").getAttribute("aria-rowcount")).toBe("1001");
  });

  it("goes from cell to cell with the arrow keys, past empty ones", () => {
    const cell = { state: "success", tries: 1, version: "r1" };
    const { onSelect } = show([row("a"), row("b"), row("c")], [run("one")], { "one a": cell, "one c": cell });
    const first = screen.getByRole("button", { name: /a in run one/ });
    first.scrollIntoView = vi.fn();
    screen.getByRole("button", { name: /c in run one/ }).scrollIntoView = vi.fn();
    first.focus();
    fireEvent.keyDown(first, { key: "ArrowDown" });
    expect(document.activeElement?.getAttribute("aria-label")).toMatch(/^c in run one/);
    fireEvent.click(document.activeElement as Element);
    expect(onSelect).toHaveBeenCalledWith("one", "c");
  });
});

it("keeps the mark of what a run failed on when it is run again", () => {
  show([row("a")], [run("again", { version: "r2", versions: ["r2"], failed_on: ["r1"] }), run("fine")], {});
  const again = screen.getByRole("button", { name: /^Run again: success; .*; failed on .*1.*, run again since$/ });
  expect(again.className).toContain("failed-before");
  expect(screen.getByRole("button", { name: /^Run fine/ }).className).not.toContain("failed-before");
});
