/** What changed since somebody looked: small enough to be asked for every two seconds. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";

const POLL_MS = 2_000;

/** *after* gives the newest event that was told of, when it is asked; null: none yet. */
export function newsQuery(dagId: string | undefined, after: () => number | null) {
  return queryOptions({
    queryKey: [...keys.live, dagId ?? null],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/changes", { params: { query: { after: after() ?? undefined, dag_id: dagId } }, signal })),
    refetchInterval: POLL_MS,
    retry: false,
    staleTime: 0,
    gcTime: 0,
  });
}
