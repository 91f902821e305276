/** Promote, pin, unpin, roll back: one Dag by its own route, many by one batch, in one transaction. */
import { answer, api } from "src/api/client";
import type { Schemas } from "src/api/client";

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

/** An id that makes a repeated request harmless; `randomUUID` needs https. */
export function requestKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
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
export function plan(change: Change, details: Details, signal?: AbortSignal): Promise<Outcome[]> {
  return send(change, details, { plan: true, signal });
}

/** Carry it out as planned: refused when a single Dag's active release is another one by now. */
export function apply(change: Change, details: Details, planned: Outcome[], key: string): Promise<Outcome[]> {
  const [only] = planned;
  const expectedRelease = planned.length === 1 ? only?.from_release : undefined;
  return send(change, details, { plan: false, expectedRelease, key });
}

const WORDS: Record<Verb, { title: string; button: string; stays: string }> = {
  promote: {
    title: "Promote",
    button: "Promote",
    stays: "Runs that began keep the release they began with. Whether a Dag is pinned stays as it is.",
  },
  pin: {
    title: "Pin",
    button: "Pin",
    stays: "New builds will wait until the Dag is unpinned or one is promoted. Runs that began are not touched.",
  },
  unpin: {
    title: "Unpin",
    button: "Unpin",
    stays: "From now on each new build is released by itself again, but never one that is rejected. Runs that began keep their release.",
  },
  rollback: {
    title: "Roll back",
    button: "Roll back",
    stays: "Runs that began keep the release they began with. The Dag is then pinned, so that no push undoes it.",
  },
};

export function wordsOf(verb: Verb) {
  return WORDS[verb];
}
