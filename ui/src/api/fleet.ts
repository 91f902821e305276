import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";
import type { paths } from "src/api/schema";
import type { Schemas } from "src/api/schemas";

export type FleetDag = Schemas["FleetDag"];
export type FleetCounts = Schemas["FleetCounts"];
/** Which Dags, and in which order. */
export type FleetWish = Omit<NonNullable<paths["/api/v1/fleet"]["get"]["parameters"]["query"]>, "limit" | "offset">;

export const PAGE_SIZE = 50;
const MOST_AT_ONCE = 200;

export function fleetQuery(wish: FleetWish, page: number) {
  const query = { ...wish, limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE };
  return queryOptions({
    queryKey: [...keys.fleetPage, query],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/fleet", { params: { query }, signal })),
    // Asked again on news only: of runs too, which change without any event.
    placeholderData: keepPreviousData,
  });
}

/** What there is to filter by. */
export function fleetChoicesQuery() {
  return queryOptions({
    queryKey: [...keys.fleet, "choices"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/fleet/filters", { signal })),
    staleTime: 60_000,
  });
}

/** Ids of all Dags that are asked for and that the user may change. */
export async function allEditable(wish: FleetWish): Promise<string[]> {
  const found: string[] = [];
  for (let offset = 0; ; offset += MOST_AT_ONCE) {
    const query = { ...wish, limit: MOST_AT_ONCE, offset };
    const { dags, total_entries: total } = await answer(api.GET("/api/v1/fleet", { params: { query } }));
    found.push(...dags.filter((dag) => dag.may_edit).map((dag) => dag.dag_id));
    if (offset + dags.length >= total || dags.length === 0) return found;
  }
}
