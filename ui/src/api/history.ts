/** What the history asks for. */
import { keepPreviousData, useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";

import { airflow, answer, api } from "src/api/client";
import type { Schemas } from "src/api/client";
import { keys, whileRunning } from "src/api/keys";
import type { Row } from "src/features/history/grid/rows";

export type GridRun = Schemas["GridRun"];
export type Version = Schemas["Version"];
export type Cell = Schemas["Cell"];
export type TaskInstance = Schemas["TaskInstance"];

const BLOCK = 60;
const OPEN = new Set(["queued", "running"]);

export function usePage(dagId: string, until: string | undefined, limit: number) {
  return useQuery({
    queryKey: [...keys.dag(dagId), "history", { until, limit }],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/history", { params: { path: { dag_id: dagId }, query: { until, limit } }, signal })),
    placeholderData: keepPreviousData,
    ...whileRunning,
  });
}

/** Structures never change, so neither does the answer for the same versions. */
export function useRows(dagId: string, versions: string[]) {
  const wanted = useMemo(() => [...new Set(versions)].filter((key) => key !== "unknown").sort(), [versions]);
  return useQuery({
    queryKey: [...keys.all, "rows", dagId, wanted],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/history/rows", { params: { path: { dag_id: dagId }, query: { version: wanted } }, signal })),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
}

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
    queries: wanted.map((body) => ({
      queryKey: [...keys.dag(dagId), "cells", body],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        answer(api.POST("/api/v1/dags/{dag_id}/history/cells", { params: { path: { dag_id: dagId } }, body, signal })),
      enabled: runIds.length > 0,
      ...(open ? whileRunning : {}),
    })),
    combine: cellsOf,
  });
  useOnceMore([...keys.dag(dagId), "cells"], open);
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

/** All tasks of a run that a graph shows. */
export function useRunCells(dagId: string, runId: string, taskIds: string[] | undefined) {
  return useQuery({
    queryKey: [...keys.dag(dagId), "run-cells", runId, taskIds],
    queryFn: ({ signal }) =>
      answer(
        api.POST("/api/v1/dags/{dag_id}/history/cells", {
          params: { path: { dag_id: dagId } },
          body: { run_ids: [runId], task_ids: (taskIds ?? []).slice(0, 5000) },
          signal,
        }),
      ),
    enabled: taskIds !== undefined && taskIds.length > 0,
    ...whileRunning,
  });
}

export function useRunVersions(dagId: string, runId: string) {
  return useQuery({
    queryKey: [...keys.dag(dagId), "run-versions", runId],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/runs/{run_id}/versions", { params: { path: { dag_id: dagId, run_id: runId } }, signal })),
    ...whileRunning,
  });
}

export function useTask(dagId: string, runId: string, taskId: string, mapIndex: number, enabled = true) {
  return useQuery({
    queryKey: [...keys.dag(dagId), "task", runId, taskId, mapIndex],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/runs/{run_id}/tasks/{task_id}", {
          params: { path: { dag_id: dagId, run_id: runId, task_id: taskId }, query: { map_index: mapIndex } },
          signal,
        }),
      ),
    enabled,
    ...whileRunning,
  });
}

export function useGraph(dagId: string, version: string) {
  return useQuery({
    queryKey: [...keys.all, "graph", dagId, version],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/versions/{version}/graph", { params: { path: { dag_id: dagId, version } }, signal })),
    enabled: version !== "unknown",
    staleTime: Infinity,
  });
}

/** The files that a build used; a build never changes. */
export function useFiles(dagId: string, build: number | null) {
  return useQuery({
    queryKey: [...keys.all, "files", dagId, build],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/compare", {
          params: { path: { dag_id: dagId }, query: { from: build ?? undefined, to: build ?? undefined } },
          signal,
        }),
      ),
    enabled: build !== null,
    staleTime: Infinity,
  });
}

export function useFile(dagId: string, build: number, path: string) {
  return useQuery({
    queryKey: [...keys.all, "file", dagId, build, path],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/compare/file", {
          params: { path: { dag_id: dagId }, query: { path, from: build, to: build } },
          signal,
        }),
      ),
    enabled: path !== "",
    staleTime: Infinity,
  });
}

interface Log {
  content: (string | Record<string, unknown>)[];
}

/** The log of one try, as Airflow gives it. */
export function useLog(dagId: string, runId: string, taskId: string, tryNumber: number, mapIndex: number, running: boolean) {
  const path = [dagId, "dagRuns", runId, "taskInstances", taskId, "logs", String(tryNumber)].map(encodeURIComponent).join("/");
  return useQuery({
    queryKey: [...keys.dag(dagId), "log", path, mapIndex],
    queryFn: ({ signal }) => airflow<Log>(`api/v2/dags/${path}`, { map_index: mapIndex, full_content: true }, signal),
    ...(running ? whileRunning : { staleTime: 30_000 }),
  });
}
