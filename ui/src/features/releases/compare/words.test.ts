import { describe, expect, it } from "vitest";

import { attributeRows, isSame, shown, summary } from "src/features/releases/compare/words";
import type { Structure } from "src/features/releases/compare/words";

const nothing: Structure = {
  tasks_added: [],
  tasks_removed: [],
  tasks_changed: [],
  edges_added: [],
  edges_removed: [],
  groups_added: [],
  groups_removed: [],
  schedule: null,
  attributes: {},
};

describe("two structures", () => {
  it("are the same only when nothing at all differs", () => {
    expect(isSame(nothing)).toBe(true);
    expect(isSame({ ...nothing, schedule: { from: null, to: "@daily" } })).toBe(false);
    expect(isSame({ ...nothing, attributes: { max_active_runs: { from: 1, to: 2 } } })).toBe(false);
    expect(isSame({ ...nothing, edges_removed: [["a", "b"]] })).toBe(false);
  });

  it("list the schedule first, then the Dag's attributes, then those of tasks", () => {
    const rows = attributeRows({
      ...nothing,
      schedule: { from: "@daily", to: null },
      attributes: { tags: { from: ["a"], to: [] } },
      tasks_changed: [{ task_id: "load", attributes: { retries: { from: 1, to: 3 } } }],
    });
    expect(rows.map(({ of, name }) => [of, name])).toEqual([
      ["Dag", "schedule"],
      ["Dag", "tags"],
      ["load", "retries"],
    ]);
    expect(rows[2]).toMatchObject({ from: 1, to: 3 });
  });

  it("are told in a few words", () => {
    expect(summary({ ...nothing, tasks_added: ["a", "b"], tasks_removed: ["c"], edges_added: [["a", "b"]] })).toBe(
      "Tasks: 2 added, 1 removed · Dependencies: 1 added",
    );
    expect(summary(nothing)).toBe("");
  });

  it("show texts as they are and the rest as JSON", () => {
    expect(shown("a\nb")).toBe("a\nb");
    expect(shown(null)).toBe("none");
    expect(shown(["a"])).toBe('[\n "a"\n]');
    expect(shown(false)).toBe("false");
  });
});
