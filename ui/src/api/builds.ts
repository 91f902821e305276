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

/** A build with the names of its files; a build never changes. */
export function buildQuery(dagId: string, build: number) {
  return queryOptions({
    queryKey: [...keys.all, "build", dagId, build],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/builds/{build}", { params: { path: { dag_id: dagId, build } }, signal })),
    staleTime: Infinity,
  });
}

/** One of its files. */
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
    staleTime: Infinity,
  });
}
