import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

const PAGE = 200;

type Line = Schemas["Line"];

/** The releases of a line's pages, newest first, with the one that was in force before the oldest. */
export function releasesOf(pages: Line[]): Schemas["LineRelease"][] {
  const last = pages.at(-1)?.in_force ?? null;
  const shown = pages.flatMap((page) => page.releases);
  return last === null ? shown : [...shown, last];
}

/** The release that is active; undefined: there is none, or the line is not there yet. */
export function activeIn(line: Line | undefined): Schemas["LineRelease"] | undefined {
  return line === undefined ? undefined : releasesOf([line]).find(({ active }) => active);
}

export function lineQuery(dagId: string) {
  return infiniteQueryOptions({
    queryKey: [...keys.dag(dagId), "line"],
    queryFn: ({ signal, pageParam }) =>
      answer(
        api.GET("/api/v1/dags/{dag_id}/line", {
          params: { path: { dag_id: dagId }, query: { limit: PAGE, before: pageParam } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.since,
    // Runs end without any event of ours. Looked at often only while some are on their way.
    refetchInterval: ({ state }) => {
      const runs = state.data?.pages[0]?.runs ?? [];
      return runs.some((run) => run.state === "running" || run.state === "queued") ? 5_000 : 30_000;
    },
  });
}

/** The newest of the line only: what is active, what ran on it, and what the user may do. */
export function lineHeadQuery(dagId: string, limit = 1) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "line", "head", limit],
    queryFn: ({ signal }) =>
      answer(api.GET("/api/v1/dags/{dag_id}/line", { params: { path: { dag_id: dagId }, query: { limit } }, signal })),
    refetchInterval: 30_000,
  });
}
