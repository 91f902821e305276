import { queryOptions } from "@tanstack/react-query";

import { airflow, answer, api } from "src/api/client";
import { keys, whileRunning } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

export type ClearPreview = Schemas["Preview"];
export type TaskInstance = Schemas["TaskInstance"];

export function runVersionsQuery(dagId: string, runId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "run-versions", runId],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/runs/{run_id}/versions", { params: { path: { dag_id: dagId, run_id: runId } }, signal })),
    ...whileRunning,
  });
}

export function taskQuery(dagId: string, runId: string, taskId: string, mapIndex: number) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "task", runId, taskId, mapIndex],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/runs/{run_id}/tasks/{task_id}", {
          params: { path: { dag_id: dagId, run_id: runId, task_id: taskId }, query: { map_index: mapIndex } },
          signal,
        }),
      ),
    ...whileRunning,
  });
}

interface Log {
  content: (string | Record<string, unknown>)[];
}

/** The log of one try, as Airflow gives it. */
export function logQuery(dagId: string, runId: string, taskId: string, tryNumber: number, mapIndex: number, running: boolean) {
  const path = [dagId, "dagRuns", runId, "taskInstances", taskId, "logs", String(tryNumber)].map(encodeURIComponent).join("/");
  return queryOptions({
    queryKey: [...keys.dag(dagId), "log", path, mapIndex],
    queryFn: ({ signal }) => airflow<Log>(`api/v2/dags/${path}`, { map_index: mapIndex, full_content: true }, signal),
    ...(running ? whileRunning : { staleTime: 30_000 }),
  });
}

/** Start one run on one build, or only say what that would do. */
export function startRun(dagId: string, body: Schemas["TriggerBody"], key?: string) {
  const params = { path: { dag_id: dagId }, header: key === undefined ? {} : { "Idempotency-Key": key } };
  return answer(api.POST("/api/v1/dags/{dag_id}/runs", { params, body }));
}

export function runPlanQuery(dagId: string, body: Omit<Schemas["TriggerBody"], "plan">) {
  return queryOptions({
    queryKey: [...keys.all, "plan", "try", dagId, body],
    queryFn: () => startRun(dagId, { ...body, plan: true }),
    gcTime: 0,
    staleTime: Infinity,
    retry: false,
  });
}

/** What a clear would run again, and on what. */
export function clearPreviewQuery(dagId: string, runId: string, body: Schemas["PreviewBody"]) {
  const path = { dag_id: dagId, run_id: runId };
  return queryOptions({
    queryKey: [...keys.all, "preview", path, body],
    queryFn: ({ signal }) => answer(api.POST("/api/v1/dags/{dag_id}/runs/{run_id}/clear/preview", { params: { path }, body, signal })),
    gcTime: 0,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
}

export function clearRun(dagId: string, runId: string, body: Schemas["ClearBody"], key: string) {
  const params = { path: { dag_id: dagId, run_id: runId }, header: { "Idempotency-Key": key } };
  return answer(api.POST("/api/v1/dags/{dag_id}/runs/{run_id}/clear", { params, body }));
}
