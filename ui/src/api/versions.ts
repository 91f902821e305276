import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keptBy, keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

export type Version = Schemas["Version"];

export function graphQuery(dagId: string, { key, digest }: Version) {
  return queryOptions({
    queryKey: [...keys.all, "graph", dagId, key, digest],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/versions/{version}/graph", { params: { path: { dag_id: dagId, version: key } }, signal })),
    enabled: key !== "unknown",
    ...keptBy(digest),
  });
}
