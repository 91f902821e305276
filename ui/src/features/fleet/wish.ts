import type { FleetWish } from "src/api/fleet";

export const STATES = ["held", "pinned", "broken", "failing"] as const;

type Order = NonNullable<FleetWish["order_by"]>;

export const ORDERS: Record<Order, string> = {
  attention: "What needs attention first",
  dag_id: "Sort by Dag id",
  "-last_change": "Sort by last change",
  failing_since: "Failing for longest first",
  waits_since: "Waiting for longest first",
  pinned_since: "Pinned for longest first",
};
export const FIRST_ORDER: Order = "attention";

/** Pins of so many days or more. */
export const PIN_AGES = { "1": "a day", "7": "a week", "14": "2 weeks", "30": "30 days", "90": "90 days" } as const;

/** What the address asks for, as the API takes it. */
export function wishOf(params: URLSearchParams): FleetWish {
  const on = (name: string) => (params.get(name) === "true" ? true : undefined);
  const text = (name: string) => params.get(name) || undefined;
  const order = params.get("order") ?? "";
  const days = Number(params.get("pinned_days"));
  return {
    held: on("held"),
    pinned: on("pinned"),
    broken: on("broken"),
    failing: on("failing"),
    tag: params.getAll("tag").filter(Boolean),
    tags_match_mode: "all",
    pinned_days: Number.isInteger(days) && days > 0 ? days : undefined,
    bundle: text("bundle"),
    owner: text("owner"),
    text: text("text"),
    order_by: Object.hasOwn(ORDERS, order) ? (order as Order) : FIRST_ORDER,
  };
}
