import { expect, test } from "vitest";

import { sentence } from "src/pages/events/sentence";

const event = (kind: string, details: Record<string, unknown>) => ({
  id: 1,
  at: "2026-11-21T13:19:55+00:00",
  kind,
  dag_id: "etl",
  bundle: "shop",
  actor: "ada",
  reason: null,
  ...details,
});

test("a rollback says which build came in place of which", () => {
  const said = sentence(event("rollback", { build: 2, from_build: 3, release: 4, from_release: 3 }));
  expect(said.what).toBe("Build 2 is release 4, in place of build 3");
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
  expect(sentence(event("rollout_step", { step: 2, share: { percent: 10 } })).what).toBe('step: 2; share: {"percent":10}');
});
