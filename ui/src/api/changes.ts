/** Promote, pin, unpin, roll back: one Dag by its own route, many by one batch, in one transaction. */
import { hashKey, queryOptions } from "@tanstack/react-query";
import type { QueryClient } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

export type Verb = "promote" | "pin" | "unpin" | "rollback";
/** The command line is told of a change of one Dag only. */
export type Outcome = Schemas["Outcome"] & Partial<Pick<Schemas["OneOutcome"], "command">>;

export interface Change {
  verb: Verb;
  dagIds: string[];
  /** Of one Dag only: the build to release or to stay on. */
  build?: number;
  /** Of one Dag only, in place of `build`. */
  toRelease?: number;
}

export interface Details {
  reason: string;
  /** Of a rollback only, like `toBlame`. */
  rerunFailed: boolean;
  /** Whether what is rolled back is rejected. */
  toBlame: boolean;
}

async function send(
  change: Change,
  details: Details,
  how: { plan: boolean; expectedRelease?: number | null; key?: string; signal?: AbortSignal },
): Promise<Outcome[]> {
  const { verb, dagIds, build, toRelease } = change;
  const { signal } = how;
  const header = how.key === undefined ? {} : { "Idempotency-Key": how.key };
  const reason = details.reason.trim() === "" ? null : details.reason.trim();
  const [dagId] = dagIds;
  if (dagIds.length === 1 && dagId !== undefined) {
    const params = { path: { dag_id: dagId }, header };
    const common = { reason, plan: how.plan, expected_release: how.expectedRelease ?? null };
    const target = { build: build ?? null, to_release: toRelease ?? null };
    switch (verb) {
      case "promote":
        return [await answer(api.POST("/api/v1/dags/{dag_id}/promote", { params, signal, body: { ...common, ...target } }))];
      case "pin":
        return [await answer(api.POST("/api/v1/dags/{dag_id}/pin", { params, signal, body: { ...common, ...target } }))];
      case "unpin":
        return [await answer(api.POST("/api/v1/dags/{dag_id}/unpin", { params, signal, body: common }))];
      case "rollback":
        return [
          await answer(
            api.POST("/api/v1/dags/{dag_id}/rollback", {
              params,
              signal,
              body: { ...common, ...target, rerun_failed: details.rerunFailed, to_blame: details.toBlame },
            }),
          ),
        ];
    }
  }
  const { outcomes } = await answer(
    api.POST("/api/v1/changes", {
      params: { header },
      signal,
      body: {
        verb,
        selector: { ids: dagIds },
        reason,
        plan: how.plan,
        rerun_failed: verb === "rollback" && details.rerunFailed,
        to_blame: verb !== "rollback" || details.toBlame,
      },
    }),
  );
  return outcomes;
}

/** What would change, Dag by Dag; changes nothing. */
function plan(change: Change, details: Details, signal?: AbortSignal): Promise<Outcome[]> {
  return send(change, details, { plan: true, signal });
}

type Flags = Omit<Details, "reason">;

const ASKED_ONCE = { gcTime: 0, staleTime: Infinity, refetchOnWindowFocus: false } as const;
const COMMAND = [...keys.all, "command"];

/** The plan, whatever the reason; which one it is changes nothing in the plan. */
export function planQuery(change: Change, flags: Flags) {
  return queryOptions({
    ...ASKED_ONCE,
    queryKey: [...keys.all, "plan", change, flags],
    queryFn: () => plan(change, { ...flags, reason: "" }),
  });
}

/** The plan of what is refused without a reason. */
export function justifiedPlanQuery(change: Change, flags: Flags, reason: string) {
  return queryOptions({
    ...ASKED_ONCE,
    queryKey: [...keys.all, "plan", change, flags, "justified"],
    queryFn: () => plan(change, { ...flags, reason }),
  });
}

/** The plan again, for the command line that does it with this reason. */
export function commandQuery(change: Change, flags: Flags, reason: string) {
  const what = hashKey([change, flags]);
  return queryOptions({
    ...ASKED_ONCE,
    queryKey: [...COMMAND, what, reason],
    queryFn: ({ signal }) => plan(change, { ...flags, reason }, signal),
    // So that it does not flicker; but never the command of something else.
    placeholderData: (before, query) => (query?.queryKey.at(-2) === what ? before : undefined),
  });
}

/** Before the change is made: give up a command that is being asked for. */
export function giveUpCommand(client: QueryClient): Promise<void> {
  return client.cancelQueries({ queryKey: COMMAND });
}

/** Carry it out as planned: refused when a single Dag's active release is another one by now. */
export function apply(change: Change, details: Details, planned: Outcome[], key: string): Promise<Outcome[]> {
  const [only] = planned;
  const expectedRelease = planned.length === 1 ? only?.from_release : undefined;
  return send(change, details, { plan: false, expectedRelease, key });
}
