import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import type { Schemas } from "src/api/client";
import { keys, whileRunning } from "src/api/keys";

export type FleetDag = Schemas["FleetDag"];
export const PAGE_SIZE = 50;
const MOST_AT_ONCE = 200;
export const STATES = ["held", "pinned", "broken", "failing"] as const;

/** What the address asks for, as the API takes it. */
export function wishOf(params: URLSearchParams) {
  const on = (name: string) => (params.get(name) === "true" ? true : undefined);
  const text = (name: string) => params.get(name) || undefined;
  return {
    held: on("held"),
    pinned: on("pinned"),
    broken: on("broken"),
    failing: on("failing"),
    tag: params.getAll("tag").filter(Boolean),
    bundle: text("bundle"),
    owner: text("owner"),
    text: text("text"),
    order_by: params.get("order") === "-last_change" ? ("-last_change" as const) : ("dag_id" as const),
  };
}

export function useFleet(params: URLSearchParams, page: number) {
  const query = { ...wishOf(params), limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE };
  return useQuery({
    queryKey: [...keys.fleet, "page", query],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/fleet", { params: { query }, signal })),
    placeholderData: keepPreviousData,
    ...whileRunning,
  });
}

export function useChoices() {
  return useQuery({
    queryKey: [...keys.fleet, "choices"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/fleet/filters", { signal })),
    staleTime: 60_000,
  });
}

/** Ids of all Dags that the address asks for and that the user may change. */
export async function allEditable(params: URLSearchParams): Promise<string[]> {
  const found: string[] = [];
  for (let offset = 0; ; offset += MOST_AT_ONCE) {
    const query = { ...wishOf(params), limit: MOST_AT_ONCE, offset };
    const { dags, total_entries: total } = await answer(api.GET("/api/v1/fleet", { params: { query } }));
    found.push(...dags.filter((dag) => dag.may_edit).map((dag) => dag.dag_id));
    if (offset + dags.length >= total || dags.length === 0) return found;
  }
}
