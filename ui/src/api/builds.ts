import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keptBy, keys } from "src/api/keys";

const OFFERED = 100;

/** The newest builds, to choose one of. */
export function buildsQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "builds", { limit: OFFERED }],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/dags/{dag_id}/builds", { params: { path: { dag_id: dagId }, query: { limit: OFFERED } }, signal })),
  });
}

/** A build with the names of its files, by the number and the digest that it is known by. */
export function buildQuery(dagId: string, build: number, digest: string | null) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "build", build, digest],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/builds/{build}", { params: { path: { dag_id: dagId, build } }, signal })),
  });
}

/** One of its files. */
export function fileQuery(dagId: string, build: number, digest: string | null, path: string) {
  return queryOptions({
    queryKey: [...keys.all, "file", dagId, build, digest, path],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/compare/file", {
          params: { path: { dag_id: dagId }, query: { path, from: `b${build}`, to: `b${build}` } },
          signal,
        }),
      ),
    ...keptBy(digest),
  });
}
