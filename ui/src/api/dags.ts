import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";

export function statusQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "status"],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}", { params: { path: { dag_id: dagId } }, signal })),
  });
}
