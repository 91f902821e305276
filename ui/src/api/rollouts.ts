/** What is on its way: rollouts, what they wait for, and what somebody does about them. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

export type Rollout = Schemas["Rollout"];
export type RolloutActed = Schemas["RolloutActed"];
export type RolloutVerb = Schemas["RolloutVerb"];

export interface RolloutWish {
  states: string[];
  /** What is waited for; undefined: whatever it is. */
  waitingFor?: string;
  /** One Dag only. */
  dagId?: string;
}

const PAGE_SIZE = 50;
const ASKED_ONCE = { gcTime: 0, staleTime: Infinity, retry: false, refetchOnWindowFocus: false } as const;

export function rolloutsQuery({ states, waitingFor, dagId }: RolloutWish) {
  const query = { state: states, waiting_for: waitingFor, dag_id: dagId === undefined ? [] : [dagId], limit: PAGE_SIZE };
  return infiniteQueryOptions({
    queryKey: [...keys.fleet, "rollouts", query],
    queryFn: ({ signal, pageParam }) => answer(api.GET("/api/v1/rollouts", { params: { query: { ...query, before_id: pageParam } }, signal })),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => last.next_before_id ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** Those of a Dag that have not ended: none, the one ahead, the one that is watched, or both. */
export function dagRolloutsQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "rollouts"],
    queryFn: async ({ signal }) => (await answer(api.GET("/api/v1/rollouts", { params: { query: { dag_id: [dagId], state: ["live"] } }, signal }))).rollouts,
  });
}

/** One, as it is by now: asked for by whoever looks again. */
export function rolloutQuery(id: number) {
  return queryOptions({
    queryKey: [...keys.fleet, "rollout", id],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/rollouts/{rollout}", { params: { path: { rollout: id } }, signal })),
    staleTime: 0,
    retry: false,
  });
}

interface How {
  plan: boolean;
  key?: string;
  signal?: AbortSignal;
}

/** Do it, or only say what it would do; refused when the rollout has moved since it was seen. */
export function actOnRollout({ id, generation }: Rollout, verb: RolloutVerb, reason: string, { plan, key, signal }: How): Promise<RolloutActed> {
  const header = { "If-Match": `"${generation}"`, ...(key === undefined ? {} : { "Idempotency-Key": key }) };
  return answer(
    api.POST("/api/v1/rollouts/{rollout}/{verb}", {
      params: { path: { rollout: id, verb }, header },
      body: { reason: reason === "" ? null : reason, plan },
      signal,
    }),
  );
}

export function actPlanQuery(rollout: Rollout, verb: RolloutVerb, reason: string) {
  const what = [rollout.id, rollout.generation, verb];
  return queryOptions({
    queryKey: [...keys.all, "plan", "rollout", ...what, reason],
    queryFn: ({ signal }) => actOnRollout(rollout, verb, reason, { plan: true, signal }),
    // Another reason leaves what is shown until its plan is there.
    placeholderData: keepPreviousData,
    ...ASKED_ONCE,
  });
}
