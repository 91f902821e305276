import { expect, test } from "vitest";

import type { Event } from "src/api/events";
import { WORDS, folded, sentence } from "src/features/events/sentence";

const event = (kind: string, details: Partial<Event>): Event => ({
  id: 1,
  at: "2026-11-21T13:19:55+00:00",
  kind,
  dag_id: "etl",
  bundle: "shop",
  actor: "ada",
  reason: null,
  batch: null,
  commit: null,
  ...details,
});

test("a rollback says which build came in place of which", () => {
  const said = sentence(event("rollback", { build: 2, from_build: 3, release: 4, from_release: 3 }));
  expect(said.what).toBe("Back to build 2 (release 4), from build 3");
});

test("a pin of the active build says that it stays", () => {
  const said = sentence(event("pin", { build: 2, from_build: 2, release: 2, from_release: 2 }));
  expect(said.what).toBe("Stays on build 2, release 2");
});

test("a first release names no former build", () => {
  const said = sentence(event("auto", { build: 1, from_build: null, release: 1, from_release: null }));
  expect(said.what).toBe("Build 1 is release 1");
});

test("a broken commit says the error and the commit", () => {
  const said = sentence(event("broken", { error: "SyntaxError: expected ':'", bundle_version: "0319505917ef" }));
  expect(said).toEqual({ what: "SyntaxError: expected ':'", more: "commit 03195059" });
});

test("an unknown kind hides nothing", () => {
  const said = sentence(event("rollout_step", { build: 2, found: { "dag.is_paused": "True" }, release: null }));
  expect(said.what).toBe('build: 2; found: {"dag.is_paused":"True"}');
});

/** One of each kind, as the server stores them. */
const EACH: Record<keyof typeof WORDS, [Partial<Event>, string]> = {
  adopt: [{ build: 1, release: 4 }, "Build 1 is release 4"],
  auto: [{ build: 2, from_build: 1, release: 2, from_release: 1 }, "Build 2 is release 2, in place of build 1"],
  pin: [{ build: 2, from_build: 2, release: 2, from_release: 2 }, "Stays on build 2, release 2"],
  unpin: [{ build: 3, from_build: 2, release: 3, from_release: 2 }, "Build 3 is release 3, in place of build 2"],
  promote: [{ build: 3, from_build: 2, release: 3, from_release: 2 }, "Build 3 is release 3, in place of build 2"],
  rollback: [{ build: 2, from_build: 3, release: 4, from_release: 3 }, "Back to build 2 (release 4), from build 3"],
  retire: [{ build: 2, release: 5, message: "gone from its bundle" }, "Taken off the schedule"],
  reject: [{ build: 2, release: 2, rejected: 3, message: "it is never released by itself" }, "Build 3 is rejected"],
  lift: [{ build: 2, release: 2, lifted: true, message: "build 3 may be released again" }, "A rejection was lifted"],
  follow: [{ bundle_version: "abc12345def", dags: 40 }, "New runs of 40 Dags take a newer version"],
  trigger: [{ build: 2, release: null, run_id: "r" }, "A run on build 2"],
  clear: [{ build: 2, release: 2, run_id: "r", cleared: 3 }, "Runs again on build 2"],
  backfill: [
    { build: 2, from_date: "2024-02-01T00:00:00+00:00", to_date: "2024-02-03T00:00:00+00:00", new: 3, cleared: 0, skipped: 0 },
    "Backfill of 2024-02-01 to 2024-02-03 on build 2",
  ],
  build: [{ build: 3, bundle_version: "0319505917ef" }, "Build 3 was made"],
  broken: [{ error: "SyntaxError: x", bundle_version: "0319505917ef" }, "SyntaxError: x"],
  unstable: [{ attributes: ["description"] }, "Each parse of the same files gives another Dag"],
  folded: [{ build: 2, count: 3, digest: "b", replaced_digest: "a" }, "Other parses of the same files gave another Dag than build 2"],
  missed: [
    { build: 2, path: "a.py", attributes: ["description"], paths: ["a.dat"], changed: 1 },
    "It depends on something that changed unseen; that is in effect now",
  ],
  duplicate: [{ path: "copy.py", owner: "shop: etl.py" }, "copy.py holds the Dag too"],
  drift: [{ found: { "dag.is_stale": "True" }, foreign_versions: [], repaired: true }, "Airflow's rows were changed past Pinwheel, and put back"],
  run_waits: [{ run_id: "r", clear_number: 0 }, "Run r waits"],
  run_bound_late: [{ run_id: "r", clear_number: 0, bundle_version: "0319505917ef", cleared: 1 }, "Run r was bound while it was under way"],
  run_started_unbound: [{ run_id: "r", clear_number: 0, jobs: ["7 on host"] }, "Run r was started before it was bound"],
  refused: [{ bundle_version: "0319505917ef" }, "A version was not taken"],
  variant_refused: [{ error: "each is mapped over what items gives", path: "a.py", bundle_version: "0319505917ef" }, "each is mapped over what items gives"],
  version_restored: [{ build: 2 }, "What runs of some dates use of build 2 was removed, and is made anew"],
  mark_restored: [{ found: { "dag.bundle_version": "0319505917ef" } }, "The mark by which its runs are judged by date was taken off, and put back"],
  fault: [{ bundle_version: null, place: "refresh" }, "Failed in refresh"],
  rollout: [{ build: 4, state: "waiting", step: "check ci" }, "The rollout of build 4 waits: check ci"],
  verdict: [{ name: "ci", verdict: "passed" }, "ada said of ci: passed"],
  timeline_set: [{ revision: 4, changes: ["2019-01-01 → 2020-01-01: build 3 → build 2"] }, "Revision 4 of its timeline"],
  freeze: [{ rule: "freeze-4", message: "a, b from 2026-12-20 18:00 UTC until it is lifted" }, "Frozen: a, b from 2026-12-20 18:00 UTC until it is lifted"],
  freeze_lifted: [{ rule: "freeze-4", message: "a, b from 2026-12-20 18:00 UTC until it is lifted" }, "No longer frozen: a, b from 2026-12-20 18:00 UTC until it is lifted"],
  policy: [{ document: "bank", policies: ["finance"], rules_added: [], rules_lifted: [], bundle_version: null }, "Rules or policies changed: document bank"],
  timeline_unset: [{ revision: 5, changes: [] }, "Eras are gone: revision 5 of its timeline"],
};

test.each(Object.keys(WORDS) as (keyof typeof WORDS)[])("an event of the kind %s has words of its own", (kind) => {
  const [details, what] = EACH[kind];
  expect(sentence(event(kind, details)).what).toBe(what);
});

const alike = (events: number, dags: number, paths: number | null = null) => ({ alike: { events, dags, paths, first_at: "2026-11-21T13:19:50+00:00" } });

test("one broken file is told once for all of its Dags", () => {
  const said = folded(event("broken", { error: "SyntaxError: x", path: "dags/risk_factory.py", bundle_version: "0319505917ef", ...alike(55, 55, 1) }));
  expect(said).toEqual({ what: "55 Dags of risk_factory.py: SyntaxError: x", more: "commit 03195059" });
});

test("an error of a shared file is told once for all files that have it", () => {
  expect(folded(event("broken", { error: "ImportError: y", ...alike(7, 7, 3) })).what).toBe("7 Dags of 3 files: ImportError: y");
  expect(folded(event("broken", { error: "ImportError: y", ...alike(2000, 2000) })).what).toBe("2000 Dags: ImportError: y");
});

test("a batch is told by what was done to how many Dags, and never by the numbers of one of them", () => {
  const details = { build: 2, from_build: 3, release: 4, from_release: 3 };
  expect(folded(event("rollback", { ...details, ...alike(10, 10) })).what).toBe("10 Dags went back to an earlier build");
  expect(folded(event("pin", { ...details, ...alike(10, 10) })).what).toBe("10 Dags pinned");
  expect(folded(event("clear", { run_id: "r", ...alike(6, 1) })).what).toBe("6 runs run again");
});

test("an event that stands for itself says what it says alone", () => {
  expect(folded(event("rollback", { build: 2, from_build: 3, release: 4, from_release: 3, ...alike(1, 1) })).what).toBe(
    "Back to build 2 (release 4), from build 3",
  );
});
