import type { FleetWish } from "src/api/fleet";

export const STATES = ["held", "pinned", "broken", "failing"] as const;

/** What the address asks for, as the API takes it. */
export function wishOf(params: URLSearchParams): FleetWish {
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
    order_by: params.get("order") === "-last_change" ? "-last_change" : "dag_id",
  };
}
