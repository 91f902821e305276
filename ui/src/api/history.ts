/** The grid of a Dag's runs. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keptBy, keys, whileRunning } from "src/api/keys";
import type { Schemas } from "src/api/schemas";
import type { Version } from "src/api/versions";

export type GridRun = Schemas["GridRun"];
export type GridRows = Schemas["GridRows"];
export type Cell = Schemas["Cell"];

export function historyQuery(dagId: string, until: string | undefined, limit: number) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "history", { until, limit }],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/history", { params: { path: { dag_id: dagId }, query: { until, limit } }, signal })),
    placeholderData: keepPreviousData,
    ...whileRunning,
  });
}

/** The structures of these versions, each of them once, in any order. */
export function rowsQuery(dagId: string, versions: Version[]) {
  const digests = new Map(versions.filter(({ key }) => key !== "unknown").map(({ key, digest }) => [key, digest]));
  const wanted = [...digests.keys()].sort();
  return queryOptions({
    queryKey: [...keys.all, "rows", dagId, wanted.map((key) => [key, digests.get(key)])],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/history/rows", { params: { path: { dag_id: dagId }, query: { version: wanted } }, signal })),
    placeholderData: keepPreviousData,
    ...keptBy(...digests.values()),
  });
}

export function cellsKey(dagId: string) {
  return [...keys.dag(dagId), "cells"];
}

/** States of some rows in some runs; *open*: some of these runs have not ended. */
export function cellsQuery(dagId: string, body: Schemas["CellsBody"], open: boolean) {
  return queryOptions({
    queryKey: [...cellsKey(dagId), body],
    queryFn: ({ signal }) =>
      answer(api.POST("/api/v1/dags/{dag_id}/history/cells", { params: { path: { dag_id: dagId } }, body, signal })),
    enabled: body.run_ids.length > 0,
    ...(open ? whileRunning : {}),
  });
}

/** All tasks of a run that a graph shows. */
export function runCellsQuery(dagId: string, runId: string, taskIds: string[] | undefined) {
  return queryOptions({
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
