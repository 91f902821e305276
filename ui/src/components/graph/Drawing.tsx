import { Box, Button, HStack } from "@chakra-ui/react";
import { useMemo, useState } from "react";

import { layoutOf } from "src/components/graph/layout";
import type { Box as Place, GraphEdge, GraphGroup, GraphNode } from "src/components/graph/layout";

interface Props {
  nodes: GraphNode[];
  edges: GraphEdge[];
  groups: GraphGroup[];
  /** What the graph shows, for screen readers. */
  label: string;
  /** Airflow's state by task id; draws a stripe in its colour. A task that is not in it gets none. */
  states?: Record<string, string | null>;
  /** A short text by task id, drawn at the task's corner; such as the version that it ran on. */
  notes?: Record<string, string>;
  selected?: string;
  onSelect?: (taskId: string) => void;
  maxHeight?: string;
}

const SIGNS: Record<string, string> = { added: "+", removed: "−", changed: "~" };
const ZOOMS = [0.35, 0.5, 0.7, 1, 1.4];

/** Colours by class, not by styled components: a Dag may have a thousand tasks. */
const LOOK = {
  "& text": { fill: "fg", fontSize: "13px", fontFamily: "body" },
  "& .operator": { fill: "fg.muted", fontSize: "11px" },
  "& .note": { fontSize: "11px", fontWeight: "bold" },
  "& .sign": { fontWeight: "bold", fontSize: "15px" },
  "& .task > rect.body": { fill: "bg", stroke: "border.emphasized", strokeWidth: 1 },
  "& .task.added > rect.body": { fill: "green.subtle", stroke: "green.solid", strokeWidth: 2 },
  "& .task.removed > rect.body": { fill: "red.subtle", stroke: "red.solid", strokeWidth: 2, strokeDasharray: "5 3" },
  "& .task.changed > rect.body": { fill: "orange.subtle", stroke: "orange.solid", strokeWidth: 2 },
  "& .task.removed text.name": { textDecoration: "line-through" },
  "& .task.selected > rect.body": { strokeWidth: 4 },
  "& .target": { fill: "transparent" },
  "& .task.button .target": { cursor: "pointer" },
  "& .target:focus-visible": { outline: "2px solid", outlineColor: "fg.info", outlineOffset: "2px" },
  "& .group > rect": { fill: "bg.muted", fillOpacity: 0.5, stroke: "border.emphasized" },
  "& .group.added > rect": { stroke: "green.solid" },
  "& .group.removed > rect": { stroke: "red.solid", strokeDasharray: "5 3" },
  "& .group text": { fill: "fg.muted", fontSize: "12px" },
  "& .edge": { fill: "none", stroke: "fg.subtle", strokeWidth: 1.4 },
  "& .edge.added": { stroke: "green.solid", strokeWidth: 2.4 },
  "& .edge.removed": { stroke: "red.solid", strokeWidth: 2, strokeDasharray: "5 4" },
};

export default function Drawing({
  nodes,
  edges,
  groups,
  label,
  states,
  notes,
  selected,
  onSelect,
  maxHeight = "55vh",
}: Props) {
  const layout = useMemo(() => layoutOf(nodes, edges, groups), [nodes, edges, groups]);
  const [zoom, setZoom] = useState(() => (layout.width > 2400 || layout.height > 1200 ? 1 : 3));
  const scale = ZOOMS[zoom] ?? 1;
  const colours = useMemo(() => {
    const used = new Set(Object.values(states ?? {}).map((state) => state ?? "none"));
    return Object.fromEntries([...used].map((state) => [`& .state-${state}`, { fill: `${state}.solid` }]));
  }, [states]);
  return (
    <Box borderWidth="1px" borderRadius="md" bg="bg.subtle" position="relative">
      <HStack position="absolute" top={1} right={1} zIndex={1} gap={1}>
        <Button size="2xs" variant="outline" bg="bg" aria-label="Smaller" disabled={zoom === 0} onClick={() => setZoom(zoom - 1)}>
          −
        </Button>
        <Button
          size="2xs"
          variant="outline"
          bg="bg"
          aria-label="Larger"
          disabled={zoom === ZOOMS.length - 1}
          onClick={() => setZoom(zoom + 1)}
        >
          +
        </Button>
      </HStack>
      <Box overflow="auto" maxHeight={maxHeight} tabIndex={0} role="region" aria-label={label} css={{ ...LOOK, ...colours }}>
        <svg
          width={layout.width * scale}
          height={layout.height * scale}
          viewBox={`0 0 ${layout.width} ${layout.height}`}
          role="group"
          aria-label={label}
        >
          <defs>
            <marker id="pinwheel-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
              <path d="M0 0 8 4 0 8z" fill="context-stroke" />
            </marker>
          </defs>
          {groups.map((group) => {
            const place = layout.groups.get(group.id);
            return place === undefined ? undefined : (
              <g key={group.id} className={`group ${group.change}`}>
                <rect {...place} rx={6} />
                <text x={place.x + 8} y={place.y + 15}>
                  {group.label}
                </text>
              </g>
            );
          })}
          {layout.edges.map(({ edge, points }) => (
            <path
              key={`${edge.from}\n${edge.to}`}
              className={`edge ${edge.change}`}
              d={curve(points)}
              markerEnd="url(#pinwheel-arrow)"
              data-edge={`${edge.from}→${edge.to}`}
            />
          ))}
          {nodes.map((node) => {
            const place = layout.nodes.get(node.id);
            return place === undefined ? undefined : (
              <Task
                key={node.id}
                node={node}
                place={place}
                state={states?.[node.id]}
                note={notes?.[node.id]}
                selected={selected === node.id}
                onSelect={onSelect}
              />
            );
          })}
        </svg>
      </Box>
    </Box>
  );
}

interface TaskProps {
  node: GraphNode;
  place: Place;
  state: string | null | undefined;
  note: string | undefined;
  selected: boolean;
  onSelect: ((taskId: string) => void) | undefined;
}

function Task({ node, place, state, note, selected, onSelect }: TaskProps) {
  const { id, label, operator, mapped, change } = node;
  const sign = SIGNS[change];
  const said = [
    `Task ${id}`,
    change === "same" ? "" : change,
    state === undefined ? "" : (state ?? "no status").replaceAll("_", " "),
    note ?? "",
  ];
  const name = said.filter((part) => part !== "").join(", ");
  const act =
    onSelect === undefined
      ? { role: "img" }
      : {
          role: "button",
          tabIndex: 0,
          "aria-pressed": selected,
          onClick: () => onSelect(id),
          onKeyDown: (event: React.KeyboardEvent) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            onSelect(id);
          },
        };
  const classes = ["task", change, selected ? "selected" : "", onSelect === undefined ? "" : "button"];
  const space = Math.floor((place.width - 24) / 7.2) - (sign === undefined ? 0 : 2);
  return (
    <g className={classes.join(" ")} transform={`translate(${place.x} ${place.y})`}>
      {mapped ? <rect className="body" x={4} y={4} width={place.width} height={place.height} rx={5} /> : undefined}
      <rect className="body" width={place.width} height={place.height} rx={5} />
      {state === undefined ? undefined : <rect className={`state-${state ?? "none"}`} width={6} height={place.height} rx={3} />}
      {sign === undefined ? undefined : (
        <text aria-hidden className="sign" x={12} y={20}>
          {sign}
        </text>
      )}
      <text aria-hidden className="name" x={sign === undefined ? 12 : 26} y={19}>
        {cut(label, space)}
        {mapped ? " [ ]" : ""}
      </text>
      <text aria-hidden className="operator" x={12} y={36}>
        {cut(operator ?? "", Math.floor((place.width - 20) / 6))}
      </text>
      {note === undefined ? undefined : (
        <text aria-hidden className="note" x={place.width - 6} y={36} textAnchor="end">
          {note}
        </text>
      )}
      {/* What is drawn is short and cut; this on top of it has the whole name. */}
      <rect className="target" width={place.width} height={place.height} rx={5} aria-label={name} data-task={id} {...act}>
        <title>{name}</title>
      </rect>
    </g>
  );
}

function cut(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, Math.max(1, letters - 1))}…`;
}

function curve(points: { x: number; y: number }[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  const last = rest.at(-1);
  if (last === undefined) return "";
  let path = `M${first.x} ${first.y}`;
  for (let place = 0; place < rest.length - 1; place += 1) {
    const here = rest[place];
    const next = rest[place + 1];
    if (here === undefined || next === undefined) continue;
    const [x, y] = place === rest.length - 2 ? [next.x, next.y] : [(here.x + next.x) / 2, (here.y + next.y) / 2];
    path += ` Q${here.x} ${here.y} ${x} ${y}`;
  }
  return rest.length === 1 ? `${path} L${last.x} ${last.y}` : path;
}
