import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";

import type { Rollout } from "src/api/rollouts";
import { OnItsWay, Rollouts, WaitingCount } from "src/features/rollouts";
import { acted, at, rollout, server, show } from "src/features/rollouts/testing";
import { isFilled } from "src/testing";

const NOTHING = { edit: false, approve: false, override: false };
const BY_TIME = rollout(2, {
  approvals: null,
  waits_for: { kind: "time", words: "frozen: month end", until: at(30) },
  holds: [
    { kind: "freeze", reason: "frozen: month end", since: null, until: at(30), by: "grace" },
    { kind: "at", reason: "not before tomorrow", since: null, until: null, by: "ada" },
  ],
  asked_by: "ada",
  asked_at: at(12),
  not_before: at(40),
});
const ABORTED = rollout(3, {
  state: "aborted",
  slot: null,
  approvals: null,
  waits_for: { kind: "nobody", words: "abort by ada: no", until: null },
  holds: [],
  acts: [{ verb: "restart", problem: null, words: "the newest place sets out" }],
  why: "abort by ada: no",
  ended_at: at(20),
});

beforeEach(() => window.history.replaceState(null, "", "/?view=rollouts"));

async function rowOf({ id }: Rollout) {
  return screen.findByTestId(`rollout-${id}`);
}

const buttons = (within_: HTMLElement) => within(within_).queryAllByRole("button").map((button) => button.textContent);

test("what waits for a person stands first, and is not told twice", async () => {
  server(() => [BY_TIME, rollout(1)]);
  show(<Rollouts />);
  const row = await rowOf(rollout(1));
  expect(within(await screen.findByRole("table", { name: "Waiting for a person" })).getAllByRole("row")).toHaveLength(2);
  expect(within(await screen.findByRole("table", { name: "On their way" })).getAllByRole("row")).toHaveLength(2);
  expect(row.textContent).toMatch(/Build 2.*22222222.*by Ada.*policy critical/);
  expect(row.textContent).toMatch(/waits for a person.*2 approvals, until .*1 of 2 approvals: grace; nobody knows who is Ada/);
});

test("each step says whether it is passed, skipped, here or ahead", async () => {
  const [first, ...others] = rollout(1).steps;
  server(() => [rollout(1, { steps: [first!, { ...first!, name: "load", words: "check load passes", where: "skipped" }, ...others] })]);
  show(<Rollouts />);
  const steps = within(await rowOf(rollout(1))).getByRole("list", { name: "Steps" });
  expect(within(steps).getAllByRole("listitem").map((step) => step.textContent)).toEqual([
    "1. check ci passes (passed)",
    "2. check load passes (skipped)",
    "3. 2 persons approve (here)",
    "4. new runs take it (ahead)",
  ]);
});

test("all that holds it is told, with until when and who asked for it", async () => {
  server(() => [BY_TIME]);
  show(<Rollouts />);
  const { textContent } = await rowOf(BY_TIME);
  expect(textContent).toMatch(/waits for a time.*frozen: month end, until /);
  expect(textContent).toMatch(/Asked for by ada .*, not before /);
  expect(textContent).toContain("not before tomorrow, by ada");
  expect(textContent?.match(/frozen: month end/g)).toHaveLength(1);
});

test("what was said of it is told, and where a check says more is a link", async () => {
  const said = { verdict: "failed", actor: "ci-bot", at: at(11), reason: "2 rows differ", of: "place", step: null, expires_at: null } as const;
  server(() => [rollout(1, { state: "paused", paused_by: "pinwheel", verdicts: [{ ...said, name: "ci", url: "https://ci.example/7" }] })]);
  show(<Rollouts />);
  const row = await rowOf(rollout(1));
  expect(row.textContent).toMatch(/ci: failed, says ci-bot .*: 2 rows differ/);
  expect(within(row).getByRole("link", { name: "ci" }).getAttribute("href")).toBe("https://ci.example/7");
});

test("offered is what the rollout takes and the user may", async () => {
  server(() => [
    rollout(1),
    rollout(4, { may: { edit: true, approve: false, override: false } }),
    rollout(5, { may: NOTHING }),
  ]);
  show(<Rollouts />);
  const row = await rowOf(rollout(1));
  expect(buttons(row)).toEqual(["Approve", "Pause", "Restart", "Skip step", "Abort", "Reject", "Promote"]);
  expect(within(row).getAllByRole("button").filter(isFilled).map((button) => button.textContent)).toEqual(["Approve"]);
  expect(buttons(await rowOf(rollout(4)))).toEqual(["Pause", "Restart", "Abort", "Promote"]);
  expect(buttons(await rowOf(rollout(5)))).toEqual([]);
  expect(screen.queryByRole("note")).toBeNull();
});

test("who may only look is told why there is no button", async () => {
  server(() => [rollout(1, { may: NOTHING })]);
  show(<Rollouts />);
  expect((await screen.findByRole("note")).textContent).toContain("You may look at what is released");
});

test("of a paused one it is to resume that is asked for", async () => {
  const acts = rollout(1).acts.map((one) => (one.verb === "resume" ? { ...one, problem: null } : one.verb === "approve" ? { ...one, problem: "paused" } : one));
  server(() => [rollout(1, { state: "paused", acts, waits_for: { kind: "person", words: "somebody to go on: pause by ada", until: null } })]);
  show(<Rollouts />);
  const row = await rowOf(rollout(1));
  expect(within(row).getAllByRole("button").filter(isFilled).map((button) => button.textContent)).toEqual(["Resume"]);
});

test("what has ended is shown on demand, with how it ended", async () => {
  const { asked } = server(() => [rollout(1), ABORTED]);
  show(<Rollouts />);
  await rowOf(rollout(1));
  expect(screen.queryByTestId("rollout-3")).toBeNull();
  await act(async () => fireEvent.click(screen.getByRole("button", { name: "Show what has ended" })));
  const row = await rowOf(ABORTED);
  expect(row.textContent).toMatch(/aborted.*abort by ada: no/);
  expect(buttons(row)).toEqual(["Restart"]);
  expect(window.location.search).toContain("state=ended");
  expect(asked.at(-1)?.getAll("state")).toEqual(["proven", "released", "rejected", "rolled_back", "aborted", "superseded", "withdrawn"]);
});

test("the filters stand in the address, and make one list", async () => {
  const { asked } = server(() => [BY_TIME]);
  window.history.replaceState(null, "", "/?view=rollouts&dag=dag_2");
  show(<Rollouts />);
  await rowOf(BY_TIME);
  await act(async () => fireEvent.change(screen.getByLabelText("Waiting for"), { target: { value: "time" } }));
  expect(await screen.findByRole("heading", { name: "Rollouts (1)" })).toBeDefined();
  expect(asked.at(-1)?.get("waiting_for")).toBe("time");
  expect(asked.at(-1)?.getAll("dag_id")).toEqual(["dag_2"]);
  await act(async () => fireEvent.click(screen.getByRole("button", { name: "Without the Dag dag_2" })));
  expect(window.location.search).toBe("?view=rollouts&waiting_for=time");
});

test("an address that names no filter that there is asks for what is on its way", async () => {
  const { asked } = server(() => []);
  window.history.replaceState(null, "", "/?view=rollouts&state=toString&waiting_for=constructor");
  show(<Rollouts />);
  expect(await screen.findByText("Nothing waits for a person")).toBeDefined();
  expect(asked.every((one) => one.getAll("state").join() === "live")).toBe(true);
});

test("beside the name of the page stands how many wait for a person, and nothing while none does", async () => {
  server(() => [rollout(1), BY_TIME]);
  const { container, unmount } = show(<WaitingCount />);
  expect(await screen.findByText("wait for a person", { exact: false })).toBeDefined();
  expect(container.textContent).toBe("1 wait for a person");
  unmount();
  const { asked } = server(() => [BY_TIME]);
  const none = show(<WaitingCount />);
  await act(async () => undefined);
  expect(asked).toHaveLength(1);
  expect(none.container.textContent).toBe("");
});

test("what was acted on may leave the page, and its dialog still tells what became of it", async () => {
  let there = [rollout(1)];
  server(
    () => there,
    ({ body }) => {
      if (!body.plan) there = [];
      return { body: acted(rollout(1), { plan: body.plan }) };
    },
  );
  show(<OnItsWay dagId="dag_1" />);
  fireEvent.click(await screen.findByRole("button", { name: "Approve" }));
  const dialog = within(await screen.findByRole("dialog"));
  await dialog.findByTestId("act-plan");
  fireEvent.click(dialog.getByRole("button", { name: "Approve" }));
  await waitFor(() => expect(screen.queryByLabelText("What is on its way")).toBeNull());
  expect(screen.getByText("Approved")).toBeDefined();
});

test("on its Dag's page stands what is on its way, with a link to the others", async () => {
  server(() => [rollout(1)]);
  show(<OnItsWay dagId="dag_1" />);
  const ahead = await screen.findByRole("region", { name: "What is on its way" });
  expect(ahead.textContent).toMatch(/Build 2.*is on its way.*By policy critical/);
  expect(within(ahead).getByRole("link", { name: "Rollouts" }).getAttribute("href")).toBe("/plugin/releases?view=rollouts&dag=dag_1");
  expect(buttons(ahead)).toContain("Approve");
});

const WATCHED = {
  state: "watching",
  slot: "watched",
  approvals: null,
  holds: [],
  waits_for: { kind: "runs", words: "3 of 5 runs ended well; at most until 2026-03-08 12:00 UTC", until: at(50) },
  watch: { release: 2, compared_with: "build 1: none of 10 failed", goes_back_to: { build: 1, bundle_version: "c1" }, back: "goes back to build 1 at c1" },
  acts: [
    { verb: "pause", problem: null, words: "paused" },
    { verb: "skip", problem: null, words: "proven by hand" },
    { verb: "abort", problem: null, words: "aborted" },
  ],
} as const;

test("a watched release says how far it is, what it is compared with, and where it goes back", async () => {
  server(() => [rollout(1, WATCHED as unknown as Partial<Rollout>)]);
  show(<Rollouts />);
  const row = await screen.findByTestId("rollout-1");
  expect(row.textContent).toContain("3 of 5 runs ended well; at most until 2026-03-08 12:00 UTC");
  expect(row.textContent).not.toContain("UTC, until");
  expect(row.textContent).toContain("Compared with build 1: none of 10 failed");
  expect(row.textContent).toContain("If it is worse: goes back to build 1 at c1");
  const buttons = [...row.querySelectorAll("button")].map(({ textContent }) => textContent);
  expect(buttons).toEqual(["Pause", "Take as proven", "Abort", "Roll back…"]);
});

test("a paused watch offers to go on or to go back, and presses nobody", async () => {
  const why = "no other place is proven: 2 of 2 runs of build 2 failed (one, two)";
  const paused = { ...WATCHED, state: "paused", cause: "no way back", why, waits_for: { kind: "person", words: `somebody to go on: ${why}`, until: null } };
  const acts = [{ verb: "resume", problem: null, words: "judged anew" }, ...WATCHED.acts];
  server(() => [rollout(1, { ...paused, acts } as unknown as Partial<Rollout>)]);
  show(<Rollouts />);
  const row = await screen.findByTestId("rollout-1");
  expect(row.textContent).toContain(why);
  const buttons = [...row.querySelectorAll("button")];
  expect(buttons.map(({ textContent }) => textContent)).toEqual(["Resume", "Pause", "Take as proven", "Abort", "Roll back…"]);
  expect(buttons.filter(isFilled)).toEqual([]);
});
