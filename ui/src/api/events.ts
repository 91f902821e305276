import { infiniteQueryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

export type Event = Schemas["Event"];
export type EventKind = Schemas["EventKind"];

const PAGE_SIZE = 50;

/** As globs: what is typed may stand anywhere in the id. */
function asGlob(text: string): string {
  return /[*?[]/.test(text) ? text : `*${text}*`;
}

export interface EventWish {
  dag: string;
  kinds: string[];
  actor: string;
  search: string;
  since: string | undefined;
  until: string | undefined;
}

/** Events of one batch and kind in one, unless it is them that are asked for. */
export function eventsQuery(dagId: string | undefined, wish: EventWish, batch?: string) {
  const query = {
    ...(batch === undefined ? { fold: true } : { batch }),
    limit: PAGE_SIZE,
    kind: wish.kinds,
    actor: wish.actor || undefined,
    search: wish.search || undefined,
    since: wish.since,
    until: wish.until,
    ...(dagId === undefined ? { glob: wish.dag === "" ? [] : [asGlob(wish.dag)] } : { ids: [dagId] }),
  };
  return infiniteQueryOptions({
    queryKey: [...(dagId === undefined ? keys.fleet : keys.dag(dagId)), "events", query],
    queryFn: ({ signal, pageParam }) =>
      answer(api.GET("/api/v1/events", { params: { query: { ...query, before_id: pageParam } }, signal })),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => last.next_before_id ?? undefined,
  });
}
