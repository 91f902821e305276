import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

export type Version = Schemas["Version"];

export function graphQuery(dagId: string, version: string) {
  return queryOptions({
    queryKey: [...keys.all, "graph", dagId, version],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/versions/{version}/graph", { params: { path: { dag_id: dagId, version } }, signal })),
    enabled: version !== "unknown",
    staleTime: Infinity,
  });
}
