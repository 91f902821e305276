import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keptBy, keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

/** Which two: a build (`b3`) or a release (`r4`), or in its place a run; the active and the newest build where neither is given. */
export interface Sides {
  from?: string;
  to?: string;
  from_run?: string;
  to_run?: string;
}

export function compareQuery(dagId: string, sides: Sides) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "compare", sides],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/compare", { params: { path: { dag_id: dagId }, query: { ...sides } }, signal })),
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
          params: { path: { dag_id: dagId }, query: { from: `b${from.build}`, to: `b${to.build}`, path } },
          signal,
        }),
      ),
    ...keptBy(from.digest, to.digest),
  });
}
