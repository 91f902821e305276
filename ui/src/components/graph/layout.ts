/** Where the tasks and groups of a Dag lie when drawn from left to right. */
import dagre from "@dagrejs/dagre";

import type { Schemas } from "src/api/schemas";

export type GraphNode = Schemas["GraphNode"];
export type GraphEdge = Schemas["GraphEdge"];
export type GraphGroup = Schemas["GraphGroup"];

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Layout {
  width: number;
  height: number;
  /** By id; x and y are the left upper corner. */
  nodes: Map<string, Box>;
  /** Outer ones first. */
  groups: Map<string, Box>;
  edges: { edge: GraphEdge; points: { x: number; y: number }[] }[];
}

const LETTER = 7.4;
const HEIGHT = 46;

export function widthOf(node: GraphNode): number {
  const letters = Math.max(node.label.length + 3, (node.operator ?? "").length);
  return Math.round(Math.min(280, Math.max(96, letters * LETTER + 24)));
}

/** Edges to tasks that are not among the nodes are left out; so are groups without tasks. */
export function layoutOf(nodes: GraphNode[], edges: GraphEdge[], groups: GraphGroup[]): Layout {
  const graph = new dagre.graphlib.Graph({ compound: true, multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 44, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  const parents = new Map(groups.map((group) => [group.id, group.parent]));
  const used = usedGroups(nodes, parents);
  const shown = groups.filter((group) => used.has(group.id));
  // An own namespace each: a task and a group may have the same id.
  for (const group of shown) graph.setNode(`g:${group.id}`, {});
  for (const node of nodes) graph.setNode(`n:${node.id}`, { width: widthOf(node), height: HEIGHT });
  for (const group of shown) if (group.parent !== null) graph.setParent(`g:${group.id}`, `g:${group.parent}`);
  for (const node of nodes) if (node.group !== null && used.has(node.group)) graph.setParent(`n:${node.id}`, `g:${node.group}`);
  const known = new Set(nodes.map((node) => node.id));
  const drawn = edges.filter((edge) => known.has(edge.from) && known.has(edge.to));
  for (const edge of drawn) graph.setEdge(`n:${edge.from}`, `n:${edge.to}`, {});
  dagre.layout(graph);
  const box = (id: string): Box => {
    const { x = 0, y = 0, width = 0, height = 0 } = graph.node(id) as Partial<Box>;
    return { x: x - width / 2, y: y - height / 2, width, height };
  };
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return {
    width: Number.isFinite(width) ? width : 0,
    height: Number.isFinite(height) ? height : 0,
    nodes: new Map(nodes.map((node) => [node.id, box(`n:${node.id}`)])),
    groups: new Map(shown.map((group) => [group.id, box(`g:${group.id}`)])),
    edges: drawn.map((edge) => ({
      edge,
      points: (graph.edge(`n:${edge.from}`, `n:${edge.to}`) as { points?: { x: number; y: number }[] }).points ?? [],
    })),
  };
}

function usedGroups(nodes: GraphNode[], parents: Map<string, string | null>): Set<string> {
  const used = new Set<string>();
  for (const node of nodes) {
    let group: string | null | undefined = node.group;
    while (group !== null && group !== undefined && parents.has(group) && !used.has(group)) {
      used.add(group);
      group = parents.get(group);
    }
  }
  return used;
}
