/** What somebody can do about a rollout: its words, who may, and which of it is offered. */
import type { Rollout, RolloutVerb } from "src/api/rollouts";

interface Words {
  button: string;
  title: string;
  done: string;
  /** What it means, beside what the plan says. */
  means: string;
  /** Nobody does it without saying why. */
  reasoned: boolean;
  /** Of what takes something away. */
  danger: boolean;
  needs: keyof Rollout["may"];
}

/** In the order in which they are offered. */
const WORDS: Record<RolloutVerb, Words> = {
  approve: {
    button: "Approve",
    title: "Approve",
    done: "Approved",
    means: "Your approval counts for this build at this commit only.",
    reasoned: false,
    danger: false,
    needs: "approve",
  },
  resume: {
    button: "Resume",
    title: "Resume the rollout of",
    done: "Resumed",
    means: "It is judged anew where it stands.",
    reasoned: false,
    danger: false,
    needs: "edit",
  },
  retry: {
    button: "Retry",
    title: "Try a step again for",
    done: "Tried again",
    means: "The gate at which it is begins anew.",
    reasoned: false,
    danger: false,
    needs: "edit",
  },
  pause: {
    button: "Pause",
    title: "Pause the rollout of",
    done: "Paused",
    means: "It stays where it is until somebody resumes it; a newer build waits behind your pause too.",
    reasoned: false,
    danger: false,
    needs: "edit",
  },
  restart: {
    button: "Restart",
    title: "Restart the rollout of",
    done: "Restarted",
    means: "The newest build sets out from the first step.",
    reasoned: false,
    danger: false,
    needs: "edit",
  },
  skip: {
    button: "Skip step",
    title: "Skip a step for",
    done: "Skipped",
    means: "The step counts as passed, by you. The rollout goes on with the next one.",
    reasoned: true,
    danger: true,
    needs: "override",
  },
  abort: {
    button: "Abort",
    title: "Abort the rollout of",
    done: "Aborted",
    means: "What is active stays, and nothing is pinned. It is held until somebody restarts it, or a newer build comes.",
    reasoned: true,
    danger: true,
    needs: "edit",
  },
  reject: {
    button: "Reject",
    title: "Reject a build of",
    done: "Rejected",
    means: "What is active stays. The build is never released by itself again.",
    reasoned: true,
    danger: true,
    needs: "approve",
  },
};

export const VERBS = Object.keys(WORDS) as RolloutVerb[];

/** Of a release that is watched some mean something else. */
const WATCHED: Partial<Record<RolloutVerb, Partial<Words>>> = {
  resume: { title: "Resume the watch of", means: "What caused the pause is set aside; the runs that follow are judged." },
  pause: { title: "Pause the watch of", means: "The release stays active. Nothing is rolled back by itself until somebody resumes the watch." },
  skip: { button: "Take as proven", title: "Take as proven the release of", done: "Proven", means: "Its watch ends. It counts as proven, by you: a later release goes back to it." },
  abort: {
    title: "End the watch of",
    means: "The release stays active and its watch ends; it does not become proven. To undo the release, roll back instead.",
  },
};

export function wordsOf(verb: RolloutVerb, slot?: Rollout["slot"]): Words {
  return slot === "watched" ? { ...WORDS[verb], ...WATCHED[verb] } : WORDS[verb];
}

/** Whether somebody may undo the release that is watched, which is a change of its Dag. */
export function offersRollback({ may, slot }: Rollout): boolean {
  return may.edit && slot === "watched";
}

/** What the rollout takes now, and the user may do. */
export function offered({ acts, may }: Rollout): RolloutVerb[] {
  return VERBS.filter((verb) => may[WORDS[verb].needs] && acts.some((act) => act.verb === verb && act.problem === null));
}

/** Whether somebody may ask for its release, which is a change of its Dag. */
export function offersPromote({ acts, may, slot }: Rollout): boolean {
  return may.edit && slot === "ahead" && acts.some(({ verb, problem }) => verb === "promote" && problem === null);
}

/** What a person has to do for it to go on: drawn as the one to press. */
export function asksFor({ state, slot, waits_for: waits, approvals }: Rollout): RolloutVerb | undefined {
  if (waits.kind !== "person") return undefined;
  // Whether a watch that is paused goes on, or its release is undone, nobody says for a person.
  if (state === "paused") return slot === "watched" ? undefined : "resume";
  return approvals === null ? undefined : "approve";
}

const STATES: Record<Rollout["state"], string> = {
  waiting: "waiting",
  watching: "watched",
  paused: "paused",
  proven: "proven",
  released: "released",
  rejected: "rejected",
  rolled_back: "rolled back",
  aborted: "aborted",
  superseded: "superseded",
  withdrawn: "withdrawn",
};

export function stateWords(state: Rollout["state"]): string {
  return STATES[state];
}
