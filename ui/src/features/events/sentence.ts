/** What an event says, in words. A kind of a later version shows its details, so that nothing is hidden. */
import type { Event, EventKind } from "src/api/events";

export interface Sentence {
  what: string;
  more?: string;
  runId?: string;
}

const COMMON = new Set(["id", "at", "kind", "dag_id", "bundle", "actor", "reason", "batch", "commit", "alike"]);

function commit({ bundle_version: version }: Event): string | undefined {
  return version ? `commit ${version.slice(0, 8)}` : undefined;
}

function released({ build, from_build: from, release, from_release: fromRelease, message }: Event): Sentence {
  const more = message ?? undefined;
  if (typeof release === "number" && release === fromRelease) return { what: `Stays on build ${build}, release ${release}`, more };
  const came = typeof from !== "number" || from === build ? "" : `, in place of build ${from}`;
  return { what: `Build ${build ?? "?"} is release ${release ?? "?"}${came}`, more };
}

function rolledBack(event: Event): Sentence {
  const { build, from_build: from, release, message } = event;
  if (typeof release !== "number" || typeof from !== "number" || from === build) return released(event);
  return { what: `Back to build ${build} (release ${release}), from build ${from}`, more: message ?? undefined };
}

function backfilled({ build, from_date: from, to_date: to, new: made, cleared, skipped }: Event): Sentence {
  const dates = `${from?.slice(0, 10) ?? "?"} to ${to?.slice(0, 10) ?? "?"}`;
  const on = typeof build === "number" ? ` on build ${build}` : "";
  return { what: `Backfill of ${dates}${on}`, more: `${made ?? 0} new, ${cleared ?? 0} cleared, ${skipped ?? 0} left out` };
}

/** What became of a rollout, where its state alone is no sentence. */
const STATES: Record<string, string> = {
  waiting: "waits",
  watching: "is watched",
  proven: "is proven",
  rolled_back: "was rolled back",
  rejected: "was rejected",
  aborted: "was aborted",
  superseded: "gave way to a newer one",
  withdrawn: "was withdrawn",
  released: "is in effect",
};

/** Words for every kind there is. */
export const WORDS: Record<EventKind, (event: Event) => Sentence> = {
  adopt: released,
  auto: released,
  pin: released,
  unpin: released,
  promote: released,
  rollback: rolledBack,
  retire: ({ message }) => ({ what: "Taken off the schedule", more: message ?? undefined }),
  reject: ({ rejected, message }) => ({ what: `Build ${rejected ?? "?"} is rejected`, more: message ?? undefined }),
  lift: ({ message }) => ({ what: "A rejection was lifted", more: message ?? undefined }),
  follow: (event) => ({
    what: `New runs of ${event.dags ?? "?"} ${event.dags === 1 ? "Dag" : "Dags"} take a newer version`,
    more: commit(event),
  }),
  build: (event) => ({ what: `Build ${event.build} was made`, more: commit(event) }),
  broken: (event) => ({ what: event.error || "Its file can not be imported", more: commit(event) }),
  trigger: ({ build, run_id: runId }) => ({ what: `A run on build ${build}`, runId: runId ?? undefined }),
  clear: ({ build, run_id: runId }) => ({
    what: typeof build === "number" ? `Runs again on build ${build}` : "Runs again",
    runId: runId ?? undefined,
  }),
  backfill: backfilled,
  unstable: ({ attributes }) => ({ what: "Each parse of the same files gives another Dag", more: attributes?.join(", ") }),
  folded: ({ build, count }) => ({
    what: `Other parses of the same files gave another Dag than build ${build}`,
    more: typeof count === "number" ? `${count} ${count === 1 ? "time" : "times"}` : undefined,
  }),
  missed: (event) => ({
    what: event.error || "It depends on something that changed unseen; that is in effect now",
    more: [event.attributes?.join(", "), event.paths?.length ? `changed: ${event.paths.join(", ")}` : ""].filter(Boolean).join("; ") || undefined,
  }),
  duplicate: ({ path, owner }) => ({ what: `${path ?? "Another file"} holds the Dag too`, more: owner ? `stays with ${owner}` : undefined }),
  drift: ({ found }) => ({
    what: "Airflow's rows were changed past Pinwheel, and put back",
    more: Object.keys(found ?? {}).sort().join(", ") || undefined,
  }),
  run_waits: ({ run_id: runId }) => ({ what: `Run ${runId} waits`, runId: runId ?? undefined }),
  run_bound_late: ({ run_id: runId, cleared }) => ({
    what: `Run ${runId} was bound while it was under way`,
    more: cleared ? `${cleared} ${cleared === 1 ? "task runs" : "tasks run"} again` : undefined,
    runId: runId ?? undefined,
  }),
  run_started_unbound: ({ run_id: runId, jobs }) => ({
    what: `Run ${runId} was started before it was bound`,
    more: jobs?.length ? `scheduler job ${jobs.join(", ")}` : undefined,
    runId: runId ?? undefined,
  }),
  refused: (event) => ({ what: "A version was not taken", more: commit(event) }),
  timeline_set: ({ revision, changes }) => ({ what: `Revision ${revision ?? "?"} of its timeline`, more: changes?.join("; ") }),
  timeline_unset: ({ revision, changes }) => ({ what: `Eras are gone: revision ${revision ?? "?"} of its timeline`, more: changes?.join("; ") }),
  freeze: ({ message, rule }) => ({ what: `Frozen: ${message ?? "Dags"}`, more: rule ?? undefined }),
  freeze_lifted: ({ message, rule }) => ({ what: `No longer frozen: ${message ?? "Dags"}`, more: rule ?? undefined }),
  policy: ({ document, policies, rules_added: added, rules_lifted: lifted }) => ({
    what: `Rules or policies changed: ${document ? `document ${document}` : "of the repository"}`,
    more:
      [named("policies", policies), named("rules in force", added), named("rules lifted", lifted)].filter(Boolean).join("; ") || undefined,
  }),
  variant_refused: (event) => ({ what: event.error || "It can not be made without tasks that have no place at some dates", more: commit(event) }),
  version_restored: ({ build }) => ({ what: `What runs of some dates use of build ${build} was removed, and is made anew` }),
  mark_restored: ({ found }) => ({
    what: "The mark by which its runs are judged by date was taken off, and put back",
    more: Object.values(found ?? {}).join(", ") || undefined,
  }),
  rollout: ({ build, state, step, said }) => ({
    what: `The rollout of build ${build ?? "?"} ${STATES[state ?? ""] ?? `is ${state ?? "?"}`}${state === "waiting" ? `: ${step ?? "?"}` : ""}`,
    more: said ?? undefined,
  }),
  verdict: ({ name, verdict, url, actor }) => ({ what: `${actor} said of ${name ?? "?"}: ${verdict ?? "?"}`, more: url ?? undefined }),
  fault: (event) => ({ what: `Failed in ${event.place ?? "the Dag processor"}`, more: commit(event) }),
};

function named(what: string, names: string[] | null | undefined): string {
  return names?.length ? `${what}: ${names.join(", ")}` : "";
}

/** What is said of a kind in one line for many events; of the others the newest speaks for all. */
const TOGETHER: Partial<Record<EventKind, (count: string, event: Event) => string>> = {
  adopt: (dags) => `What Airflow ran of ${dags} is their first release`,
  auto: (dags) => `New builds of ${dags} are released`,
  pin: (dags) => `${dags} pinned`,
  unpin: (dags) => `${dags} unpinned`,
  promote: (dags) => `Newer builds of ${dags} are released`,
  rollback: (dags) => `${dags} went back to an earlier build`,
  retire: (dags) => `${dags} taken off the schedule`,
  reject: (dags) => `Builds of ${dags} are rejected`,
  lift: (dags) => `Rejections of ${dags} were lifted`,
  build: (_, event) => `${event.alike?.events} builds were made`,
};

/** Kinds whose events are of one run each: so many of a Dag are no repetition. */
const OF_RUNS: readonly string[] = ["trigger", "clear"];

/** An event with those that are told with it: "55 Dags of risk_factory.py: SyntaxError: …". */
export function folded(event: Event): Sentence {
  const alike = event.alike;
  const one = sentence(event);
  if (!alike || alike.events === 1 || !isKnown(event.kind)) return one;
  const dags = `${alike.dags} ${alike.dags === 1 ? "Dag" : "Dags"}`;
  if (OF_RUNS.includes(event.kind)) return { what: `${alike.events} runs${event.kind === "clear" ? " run again" : ""}${alike.dags > 1 ? ` of ${dags}` : ""}` };
  // Of one batch are those of one error.
  if (event.kind === "broken") return { what: `${dags}${filesOf(event)}: ${one.what}`, more: one.more };
  const words = TOGETHER[event.kind];
  if (words === undefined || alike.dags === 1) return { ...one, what: `${one.what} (${alike.dags > 1 ? dags : `${alike.events} times`})` };
  return { what: words(dags, event), more: event.kind === "build" ? one.more : undefined };
}

function filesOf({ alike, path }: Event): string {
  if (alike?.paths === 1 && path) return ` of ${path.split("/").at(-1)}`;
  return alike?.paths ? ` of ${alike.paths} files` : "";
}

function isKnown(kind: string): kind is EventKind {
  return Object.hasOwn(WORDS, kind);
}

export function sentence(event: Event): Sentence {
  if (isKnown(event.kind)) return WORDS[event.kind](event);
  const details = Object.entries(event).filter(([name, value]) => !COMMON.has(name) && value !== null && value !== "");
  return { what: details.map(([name, value]) => `${name.replaceAll("_", " ")}: ${plain(value)}`).join("; ") || event.kind };
}

function plain(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
