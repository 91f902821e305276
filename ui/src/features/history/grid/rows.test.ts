import { describe, expect, it } from "vitest";

import type { GridRows } from "src/api/history";
import { structuresOf, tasksInside, visible } from "src/features/history/grid/rows";

const task = (id: string, parent: string | null = null) => ({ id, label: id, parent, is_group: false, mapped: false, operator: null });
const group = (id: string, parent: string | null = null) => ({ ...task(id, parent), is_group: true });

/** Structures from lists of rows, the newest first. */
function found(...structures: ReturnType<typeof task>[][]): GridRows {
  const rows = structures.flat();
  let place = 0;
  return { rows, structures: structures.map((one) => one.map(() => place++)), of: {} };
}

const names = (rows: { id: string; removed: boolean }[]) => rows.map(({ id, removed }) => (removed ? `-${id}` : id));

describe("the rows of the grid", () => {
  it("stand in the order of the newest structure, with removed tasks at the bottom", () => {
    const rows = found([task("b"), task("d")], [task("a"), task("b"), task("c")]);
    expect(names(structuresOf(rows, 0).ordered(0))).toEqual(["b", "d", "-a", "-c"]);
  });

  it("move to the order of an older structure when asked", () => {
    const rows = found([task("b"), task("d")], [task("a"), task("b"), task("c")]);
    expect(names(structuresOf(rows, 0).ordered(1))).toEqual(["-a", "b", "-c", "d"]);
  });

  it("show a task that moved between groups in both", () => {
    const rows = found(
      [group("g1"), task("y", "g1"), group("g2"), task("x", "g2")],
      [group("g1"), task("x", "g1"), task("y", "g1"), group("g2")],
    );
    const ordered = structuresOf(rows, 0).ordered(0);
    expect(names(ordered)).toEqual(["g1", "y", "-x", "g2", "x"]);
    const both = ordered.filter(({ id }) => id === "x");
    expect(new Set(both.map(({ key }) => key)).size).toBe(2);
  });

  it("show a task whose group is gone at the bottom, in that group", () => {
    const rows = found([task("y")], [group("g"), task("x", "g"), task("y")]);
    expect(names(structuresOf(rows, 0).ordered(0))).toEqual(["y", "-g", "-x"]);
  });

  it("know which structure has which row", () => {
    const rows = found([task("a")], [task("b")]);
    const structures = structuresOf(rows, 0);
    expect(structures.has.map((keys) => [...keys])).toEqual([["/a"], ["/b"]]);
  });

  it("leave out removed tasks and what lies in closed groups", () => {
    const rows = found([group("g"), group("h", "g"), task("x", "h"), task("y")], [task("z")]);
    const ordered = structuresOf(rows, 0).ordered(0);
    expect(names(visible(ordered, new Set(), true))).toEqual(["g", "h", "x", "y"]);
    expect(names(visible(ordered, new Set(["/[g]"]), false))).toEqual(["g", "y", "-z"]);
    expect(tasksInside(ordered).get("/[g]")).toEqual(["x"]);
  });

  it("bear a group and a task of one name and a thousand tasks", () => {
    const rows = found([group("a"), task("a", "a"), ...Array.from({ length: 1000 }, (_, n) => task(`t${n}`))]);
    expect(structuresOf(rows, 0).ordered(0)).toHaveLength(1002);
  });
});
