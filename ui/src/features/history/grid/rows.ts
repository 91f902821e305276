/** Rows of the grid: the structures of several versions as one tree, in the order of one of them. */
import type { GridRows } from "src/api/history";

export interface Row {
  /** The same in every structure in which it lies at the same place. */
  key: string;
  id: string;
  label: string;
  isGroup: boolean;
  mapped: boolean;
  operator: string | null;
  /** Keys of the groups around it, outermost first. */
  inside: string[];
  /** The newest structure has it no more. */
  removed: boolean;
}

type Plain = Omit<Row, "removed">;

/** The rows of one structure, each with its place in the tree as key. */
function placed({ rows, structures }: GridRows, structure: number): Plain[] {
  const groups = new Map<string, string[]>();
  return (structures[structure] ?? []).flatMap((index) => {
    const row = rows[index];
    if (row === undefined) return [];
    const inside = row.parent === null ? [] : (groups.get(row.parent) ?? []);
    const key = `${inside.at(-1) ?? ""}/${row.is_group ? `[${row.id}]` : row.id}`;
    if (row.is_group) groups.set(row.id, [...inside, key]);
    const { id, label, mapped, operator } = row;
    return [{ key, id, label, isGroup: row.is_group, mapped, operator, inside }];
  });
}

export interface Structures {
  /** Keys that each structure has. */
  has: Set<string>[];
  /** All rows, in the order of `first`; what that one lacks comes last in its group, or at the bottom. */
  ordered: (first: number) => Row[];
}

/** *newest* is the structure by which a row counts as removed; *others* fill in, newest first. */
export function structuresOf(found: GridRows, newest: number): Structures {
  const each = found.structures.map((_, index) => placed(found, index));
  const has = each.map((rows) => new Set(rows.map(({ key }) => key)));
  const now = has[newest] ?? new Set<string>();
  return {
    has,
    ordered: (first) => {
      const others = each.map((_, index) => index).filter((index) => index !== first && index !== newest);
      const order = [first, ...(first === newest ? [] : [newest]), ...others.reverse()];
      const children = new Map<string, Plain[]>();
      const known = new Set<string>();
      for (const row of order.flatMap((index) => each[index] ?? [])) {
        if (known.has(row.key)) continue;
        known.add(row.key);
        const parent = row.inside.at(-1) ?? "";
        children.set(parent, [...(children.get(parent) ?? []), row]);
      }
      const flat = (parent: string): Row[] =>
        (children.get(parent) ?? []).flatMap((row) => [
          { ...row, removed: !now.has(row.key) },
          ...(row.isGroup ? flat(row.key) : []),
        ]);
      return flat("");
    },
  };
}

/** What is left when some groups are closed and removed tasks hidden. */
export function visible(rows: Row[], closed: ReadonlySet<string>, hideRemoved: boolean): Row[] {
  return rows.filter((row) => !(hideRemoved && row.removed) && !row.inside.some((group) => closed.has(group)));
}

/** Ids of the tasks inside each group. */
export function tasksInside(rows: Row[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const row of rows) {
    if (row.isGroup) continue;
    for (const group of row.inside) found.set(group, [...(found.get(group) ?? []), row.id]);
  }
  return found;
}
