import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";

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

export function comparedFileQuery(dagId: string, from: number, to: number, path: string) {
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
