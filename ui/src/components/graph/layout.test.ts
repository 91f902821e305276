import { describe, expect, it } from "vitest";

import { aroundChanges } from "src/components/graph/around";
import { layoutOf } from "src/components/graph/layout";
import type { GraphEdge, GraphGroup, GraphNode } from "src/components/graph/layout";

const node = (id: string, more: Partial<GraphNode> = {}): GraphNode => ({
  id,
  label: id,
  operator: "BashOperator",
  mapped: false,
  group: null,
  change: "same",
  ...more,
});
const edge = (from: string, to: string, change: GraphEdge["change"] = "same"): GraphEdge => ({ from, to, change });
const group = (id: string, parent: string | null = null): GraphGroup => ({ id, label: id, parent, change: "same" });

describe("the layout of a graph", () => {
  it("puts what comes later further right, and nothing on top of anything", () => {
    const nodes = [node("a"), node("b"), node("c")];
    const layout = layoutOf(nodes, [edge("a", "b"), edge("a", "c")], []);
    const [a, b, c] = ["a", "b", "c"].map((id) => layout.nodes.get(id)!);
    expect(b!.x).toBeGreaterThan(a!.x + a!.width);
    expect(c!.x).toBe(b!.x);
    expect(Math.abs(b!.y - c!.y)).toBeGreaterThanOrEqual(b!.height);
    expect(layout.edges).toHaveLength(2);
    expect(layout.edges.every(({ points }) => points.length >= 2)).toBe(true);
  });

  it("draws groups around their tasks, those inside of others too", () => {
    const nodes = [node("g.h.a", { group: "g.h" }), node("g.b", { group: "g" })];
    const layout = layoutOf(nodes, [edge("g.h.a", "g.b")], [group("g"), group("g.h", "g"), group("empty")]);
    const [outer, inner, task] = [layout.groups.get("g")!, layout.groups.get("g.h")!, layout.nodes.get("g.h.a")!];
    expect(inner.x).toBeGreaterThanOrEqual(outer.x);
    expect(inner.x + inner.width).toBeLessThanOrEqual(outer.x + outer.width);
    expect(task.x).toBeGreaterThanOrEqual(inner.x);
    expect(layout.groups.has("empty")).toBe(false);
  });

  it("bears a task and a group of one name, edges to nowhere and an empty graph", () => {
    expect(layoutOf([node("a", { group: "a" })], [edge("a", "gone")], [group("a")]).nodes.size).toBe(1);
    const nothing = layoutOf([], [], []);
    expect([nothing.width, nothing.height].every(Number.isFinite)).toBe(true);
  });

  it("shows of a large Dag what changed and what lies beside it", () => {
    const nodes = ["a", "b", "c", "d", "e"].map((id) => node(id, { change: id === "c" ? "added" : "same" }));
    const edges = [edge("a", "b"), edge("b", "c", "added"), edge("c", "d", "added"), edge("d", "e")];
    expect(aroundChanges(nodes, edges).nodes.map(({ id }) => id)).toEqual(["a", "b", "c", "d", "e"]);
    const far = [...nodes, node("f")];
    const found = aroundChanges(far, [...edges, edge("e", "f")]);
    expect(found.nodes.map(({ id }) => id)).not.toContain("f");
    expect(found.edges).toHaveLength(4);
  });
});
