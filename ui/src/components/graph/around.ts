import type { GraphEdge, GraphNode } from "src/components/graph/layout";

/** What changed and the tasks beside it: enough to see a change in a large Dag. */
export function aroundChanges(nodes: GraphNode[], edges: GraphEdge[]): { nodes: GraphNode[]; edges: GraphEdge[] } {
  const near = new Set(nodes.filter((node) => node.change !== "same").map((node) => node.id));
  for (const edge of edges) {
    if (edge.change !== "same") near.add(edge.from).add(edge.to);
  }
  const changed = new Set(near);
  for (const edge of edges) {
    if (changed.has(edge.from)) near.add(edge.to);
    if (changed.has(edge.to)) near.add(edge.from);
  }
  return {
    nodes: nodes.filter((node) => near.has(node.id)),
    edges: edges.filter((edge) => near.has(edge.from) && near.has(edge.to)),
  };
}
