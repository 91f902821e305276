import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";

import { cellsKey, cellsQuery } from "src/api/history";
import type { Cell, GridRun } from "src/api/history";
import type { Schemas } from "src/api/schemas";
import type { Row } from "src/features/history/grid/rows";

const BLOCK = 60;
const OPEN = new Set(["queued", "running"]);

export type CellAt = (runId: string, row: Row) => Cell | null | undefined;

/**
 * States of the rows between two places, fetched in blocks. *all* is every row in an order that does not change
 * when rows are moved on the screen, so that what is known stays known. Undefined: not known yet.
 */
export function useCells(dagId: string, runs: GridRun[], all: Row[], inside: Map<string, string[]>, shown: Row[]): CellAt {
  const runIds = useMemo(() => runs.map(({ run_id: id }) => id), [runs]);
  const open = runs.some(({ state }) => OPEN.has(state));
  const blocks = useMemo(() => {
    const place = new Map(all.map((row, index) => [row.key, Math.floor(index / BLOCK)]));
    const needed = [...new Set(shown.map(({ key }) => place.get(key) ?? 0))].sort((a, b) => a - b);
    return needed.map((block) => all.slice(block * BLOCK, (block + 1) * BLOCK));
  }, [all, shown]);
  const wanted = useMemo(
    () =>
      blocks.map((rows) => ({
        run_ids: runIds,
        task_ids: [...new Set(rows.filter(({ isGroup }) => !isGroup).map(({ id }) => id))],
        groups: Object.fromEntries(rows.filter(({ isGroup }) => isGroup).map(({ key }) => [key, inside.get(key) ?? []])),
      })),
    [blocks, runIds, inside],
  );
  const data = useQueries({
    queries: wanted.map((body) => cellsQuery(dagId, body, open)),
    combine: cellsOf,
  });
  useOnceMore(cellsKey(dagId), open);
  return useMemo(() => {
    const found = new Map<string, Cell | null>();
    data.forEach((block, index) => {
      const body = wanted[index];
      if (block === undefined || body === undefined) return;
      body.run_ids.forEach((run, column) => {
        body.task_ids.forEach((task, line) => found.set(`${run}\n${task}`, block.cells[column]?.[line] ?? null));
        for (const [name, cell] of Object.entries(block.groups[column] ?? {})) found.set(`${run}\n[${name}]`, cell);
      });
    });
    return (runId: string, row: Row) => found.get(row.isGroup ? `${runId}\n[${row.key}]` : `${runId}\n${row.id}`);
  }, [data, wanted]);
}

/** Asks once more when the last run has ended: the answers at hand may be from just before. */
function useOnceMore(queryKey: readonly unknown[], open: boolean) {
  const client = useQueryClient();
  const before = useRef(open);
  useEffect(() => {
    if (before.current && !open) void client.invalidateQueries({ queryKey });
    before.current = open;
  });
}

function cellsOf(answers: { data?: Schemas["Cells"] }[]) {
  return answers.map((one) => one.data);
}
