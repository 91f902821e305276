/** Promote, pin, unpin, roll back: one Dag by its own route, many by one batch, in one transaction. */
import { hashKey, queryOptions } from "@tanstack/react-query";
import type { QueryClient } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

export type Verb = "promote" | "pin" | "unpin" | "rollback";
/** The command line is told of a change of one Dag only. */
export type Outcome = Schemas["Outcome"] & Partial<Pick<Schemas["OneOutcome"], "command">>;
export type Refusal = Schemas["Refusal"];

export interface Change {
  verb: Verb;
  dagIds: string[];
  /** Of one Dag only: the build to release or to stay on. */
  build?: number;
  /** The version of its bundle to take the build from; without: the newest in which it stands. */
  bundleVersion?: string;
  /** Of one Dag only, in place of `build`. */
  toRelease?: number;
}

/** What of the failed runs of what is rolled back runs again: nothing, what failed there, or all of it. */
export type Rerun = "no" | "failed" | "whole";

/** The era over the present is for the build that is rolled back to, or stays as it is. */
export type Eras = "replace" | "keep";

export interface Details {
  reason: string;
  /** Of a rollback only, like `toBlame`. */
  rerun: Rerun;
  /** Whether what is rolled back is rejected. */
  toBlame: boolean;
  /** Of a rollback: what becomes of an era over the present. Without: it is refused where there is one. */
  eras?: Eras;
  /** Of a promote only: not before this instant. */
  at?: string;
  /** Of a promote only: at once, past gates and rules. It needs a reason, in a plan too. */
  now?: boolean;
}

/** What would change, and of many Dags those that can not take the change. Of one Dag that is an error. */
export interface Plan {
  outcomes: Outcome[];
  refused: Refusal[];
}

interface How {
  plan: boolean;
  expectedRelease?: number | null;
  /** Dags that the plan showed as refused, and that are left out. */
  leftOut?: string[];
  key?: string;
  signal?: AbortSignal;
}

async function send(change: Change, details: Details, how: How): Promise<Plan> {
  const { verb, dagIds, build, bundleVersion, toRelease } = change;
  const { signal } = how;
  const header = how.key === undefined ? {} : { "Idempotency-Key": how.key };
  const reason = details.reason.trim() === "" ? null : details.reason.trim();
  const rerun = {
    rerun_failed: details.rerun === "failed",
    rerun_whole: details.rerun === "whole",
    ...(details.eras === undefined ? {} : { eras: details.eras }),
  };
  const [dagId] = dagIds;
  if (dagIds.length === 1 && dagId !== undefined) {
    const params = { path: { dag_id: dagId }, header };
    const common = { reason, plan: how.plan, expected_release: how.expectedRelease ?? null };
    const target = { build: build ?? null, bundle_version: bundleVersion ?? null, to_release: toRelease ?? null };
    const when = { ...(details.at === undefined ? {} : { at: details.at }), ...(details.now ? { now: true } : {}) };
    switch (verb) {
      case "promote":
        return one(await answer(api.POST("/api/v1/dags/{dag_id}/promote", { params, signal, body: { ...common, ...target, ...when } })));
      case "pin":
        return one(await answer(api.POST("/api/v1/dags/{dag_id}/pin", { params, signal, body: { ...common, ...target } })));
      case "unpin":
        return one(await answer(api.POST("/api/v1/dags/{dag_id}/unpin", { params, signal, body: common })));
      case "rollback":
        return one(
          await answer(
            api.POST("/api/v1/dags/{dag_id}/rollback", {
              params,
              signal,
              body: { ...common, ...target, ...rerun, to_blame: details.toBlame },
            }),
          ),
        );
    }
  }
  return answer(
    api.POST("/api/v1/changes", {
      params: { header },
      signal,
      body: {
        verb,
        selector: { ids: dagIds },
        reason,
        plan: how.plan,
        ...(verb === "rollback" ? rerun : {}),
        to_blame: verb !== "rollback" || details.toBlame,
        ...(how.leftOut === undefined || how.leftOut.length === 0 ? {} : { skip_refused: how.leftOut }),
      },
    }),
  );
}

function one(outcome: Outcome): Plan {
  return { outcomes: [outcome], refused: [] };
}

/** What would change, Dag by Dag; changes nothing. */
function plan(change: Change, details: Details, signal?: AbortSignal): Promise<Plan> {
  return send(change, details, { plan: true, signal });
}

type Flags = Omit<Details, "reason">;

const ASKED_ONCE = { gcTime: 0, staleTime: Infinity, refetchOnWindowFocus: false } as const;
const COMMAND = [...keys.all, "command"];

/** The plan, whatever the reason; which one it is changes nothing in the plan. */
export function planQuery(change: Change, flags: Flags) {
  const what = hashKey([change]);
  return queryOptions({
    ...ASKED_ONCE,
    queryKey: [...keys.all, "plan", what, flags],
    queryFn: () => plan(change, { ...flags, reason: "" }),
    // Other flags leave what is shown until their plan is there; another target does not.
    placeholderData: (before, query) => (query?.queryKey.at(-2) === what ? before : undefined),
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
    queryFn: async ({ signal }) => (await plan(change, { ...flags, reason }, signal)).outcomes,
    // So that it does not flicker; but never the command of something else.
    placeholderData: (before, query) => (query?.queryKey.at(-2) === what ? before : undefined),
  });
}

/** Before the change is made: give up a command that is being asked for. */
export function giveUpCommand(client: QueryClient): Promise<void> {
  return client.cancelQueries({ queryKey: COMMAND });
}

/**
 * Carry it out as planned, without the Dags that are left out. It is refused when a single Dag's active release is
 * another one by now, and when a Dag that the plan did not show as refused can not take it.
 */
export async function apply(change: Change, details: Details, planned: Plan, leftOut: string[], key: string): Promise<Outcome[]> {
  const [only] = planned.outcomes;
  const expectedRelease = change.dagIds.length === 1 ? only?.from_release : undefined;
  return (await send(change, details, { plan: false, expectedRelease, leftOut, key })).outcomes;
}
