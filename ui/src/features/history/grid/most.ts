/** What most tasks of a run ran on: what differs from it is worth a mark. */
import type { Cell } from "src/api/history";

/** The version on which most of these ran last; of as many on several, *otherwise*, if it is one of them. */
export function mostOf(cells: (Cell | null | undefined)[], otherwise: string): string {
  const counts = new Map<string, number>();
  for (const cell of cells) {
    if (cell) counts.set(cell.version, (counts.get(cell.version) ?? 0) + 1);
  }
  const highest = Math.max(0, ...counts.values());
  if (highest === 0 || counts.get(otherwise) === highest) return otherwise;
  return [...counts].find(([, count]) => count === highest)?.[0] ?? otherwise;
}
