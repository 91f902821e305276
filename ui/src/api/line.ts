import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";

const PAGE = 200;

export function statusQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "status"],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}", { params: { path: { dag_id: dagId } }, signal })),
  });
}

export function lineQuery(dagId: string) {
  return infiniteQueryOptions({
    queryKey: [...keys.dag(dagId), "line"],
    queryFn: ({ signal, pageParam }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/line", {
          params: { path: { dag_id: dagId }, query: { limit: PAGE, before: pageParam } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.since,
    // Runs end without any event of ours. Looked at often only while some are on their way.
    refetchInterval: ({ state }) => {
      const runs = state.data?.pages[0]?.runs ?? [];
      return runs.some((run) => run.state === "running" || run.state === "queued") ? 5_000 : 30_000;
    },
  });
}

export function compareQuery(dagId: string, from: number | undefined, to: number | undefined) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "compare", { from, to }],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/compare", { params: { path: { dag_id: dagId }, query: { from, to } }, signal }),
      ),
    placeholderData: keepPreviousData,
    // Builds never change.
    staleTime: from === undefined || to === undefined ? 2_000 : Infinity,
  });
}

export function fileQuery(dagId: string, from: number, to: number, path: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "compare", "file", { from, to, path }],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/compare/file", {
          params: { path: { dag_id: dagId }, query: { from, to, path } },
          signal,
        }),
      ),
    staleTime: Infinity,
  });
}
