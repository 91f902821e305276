import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keptBy, keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

export function compareQuery(dagId: string, from: number | undefined, to: number | undefined) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "compare", { from, to }],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/compare", { params: { path: { dag_id: dagId }, query: { from, to } }, signal }),
      ),
    placeholderData: keepPreviousData,
  });
}

type Side = Pick<Schemas["ComparedBuild"], "build" | "digest">;

export function comparedFileQuery(dagId: string, from: Side, to: Side, path: string) {
  const side = ({ build, digest }: Side) => [build, digest];
  return queryOptions({
    queryKey: [...keys.dag(dagId), "compare", "file", side(from), side(to), path],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/compare/file", {
          params: { path: { dag_id: dagId }, query: { from: from.build, to: to.build, path } },
          signal,
        }),
      ),
    ...keptBy(from.digest, to.digest),
  });
}
