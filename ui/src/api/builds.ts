import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";

const OFFERED = 100;

/** The newest builds, to choose one of. */
export function buildsQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "builds", { limit: OFFERED }],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/dags/{dag_id}/builds", { params: { path: { dag_id: dagId }, query: { limit: OFFERED } }, signal })),
  });
}

/** The files that a build used; a build never changes. */
export function filesQuery(dagId: string, build: number | null) {
  return queryOptions({
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

export function fileQuery(dagId: string, build: number, path: string) {
  return queryOptions({
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
