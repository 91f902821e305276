import type { Schemas } from "src/api/schemas";

export type Comparison = Schemas["Comparison"];
export type Structure = Schemas["Structure"];

export function isSame(structure: Structure): boolean {
  return (
    structure.schedule === null &&
    Object.keys(structure.attributes).length === 0 &&
    [
      structure.tasks_added,
      structure.tasks_removed,
      structure.tasks_changed,
      structure.edges_added,
      structure.edges_removed,
      structure.groups_added,
      structure.groups_removed,
    ].every((list) => list.length === 0)
  );
}

export interface AttributeRow {
  /** "Dag", or a task's id. */
  of: string;
  name: string;
  from: unknown;
  to: unknown;
}

/** Every changed attribute: those of the Dag first, its schedule before all. */
export function attributeRows(structure: Structure): AttributeRow[] {
  const rows: AttributeRow[] = [];
  if (structure.schedule !== null) rows.push({ of: "Dag", name: "schedule", ...structure.schedule });
  for (const [name, change] of Object.entries(structure.attributes)) rows.push({ of: "Dag", name, ...change });
  for (const { task_id: taskId, attributes } of structure.tasks_changed) {
    for (const [name, change] of Object.entries(attributes)) rows.push({ of: taskId, name, ...change });
  }
  return rows.map(({ of, name, from, to }) => ({ of, name, from, to }));
}

/** A value as a person reads it. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "none";
  return typeof value === "string" ? value : JSON.stringify(value, null, 1);
}

/** "2 tasks added, 1 removed; 1 edge added". */
export function summary(structure: Structure): string {
  const parts: string[] = [];
  const tell = (noun: string, counts: [string, number][]) => {
    const said = counts.filter(([, count]) => count > 0).map(([verb, count]) => `${count} ${verb}`);
    if (said.length > 0) parts.push(`${noun}: ${said.join(", ")}`);
  };
  tell("Tasks", [
    ["added", structure.tasks_added.length],
    ["removed", structure.tasks_removed.length],
    ["changed", structure.tasks_changed.length],
  ]);
  tell("Dependencies", [
    ["added", structure.edges_added.length],
    ["removed", structure.edges_removed.length],
  ]);
  tell("Groups", [
    ["added", structure.groups_added.length],
    ["removed", structure.groups_removed.length],
  ]);
  return parts.join(" · ");
}
