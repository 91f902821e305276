import { cleanup, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test, vi } from "vitest";

import { ClearByDateDialog } from "src/features/timeline/ClearByDateDialog";
import { EraDialog } from "src/features/timeline/EraDialog";
import type { Wish } from "src/features/timeline/EraDialog";
import { change, cleared, DIFFER, refusal, server, show, TIMELINE } from "src/features/timeline/testing";
import type { Sent } from "src/features/timeline/testing";

const WISH: Wish = { verb: "set", from: "2019-01-01", until: "2020-01-01", build: 2 };
const button = (name: string | RegExp) => screen.getByRole<HTMLButtonElement>("button", { name });
const write = (label: string | RegExp, value: string) => fireEvent.change(screen.getByLabelText(label), { target: { value } });

function ask(wish: Wish, reply?: (sent: Sent) => { status?: number; body: unknown }) {
  const { sent } = server({}, reply);
  show(<EraDialog dagId="blog" timeline={TIMELINE} wish={wish} onClose={vi.fn()} />);
  return sent;
}

test("the plan is shown first: what changes, which runs it is about, and what is to be said of it", async () => {
  const sent = ask(WISH, () => ({ body: change({ warnings: ["asset dwh://orders has no other user"] }) }));
  const plan = await screen.findByTestId("era-plan");
  expect(plan.textContent).toContain("2019-01-01 → 2020-01-01: build 3 → build 2 at 22222222");
  expect(plan.textContent).toContain("Affects 12 past runs: 12 runs do not match then, and can be cleared afterwards.");
  expect(plan.textContent).toContain("1 queued run takes what its date asks for.");
  expect(plan.textContent).toContain("asset dwh://orders has no other user");
  expect(sent).toHaveLength(1);
  expect(sent[0]?.body).toEqual({
    verb: "set",
    eras: [{ from: "2019-01-01", until: "2020-01-01", build: 2 }],
    reason: null,
    expected_revision: 3,
    force: false,
    unchecked: false,
    plan: true,
  });
  write("Reason", "on premise");
  fireEvent.click(button("Set era"));
  await screen.findByText("Revision 4 is the timeline now");
  expect(sent).toHaveLength(2);
  expect(sent[1]?.body).toMatchObject({ reason: "on premise", plan: false, expected_revision: 3 });
  expect(sent[1]?.key).toMatch(/^[0-9a-f]{32}$/);
});

test("an era that is changed leaves nothing behind where it was, and the others as they are", async () => {
  const [first, second] = TIMELINE.stretches;
  const sent = ask({ verb: "set", from: null, until: "2020-01-01", build: 3, replaces: first });
  await screen.findByTestId("era-plan");
  write("Until", "2019-06-01");
  await waitFor(() => expect(sent.at(-1)?.body["eras"]).toHaveLength(2));
  await waitFor(() =>
    expect(sent.at(-1)?.body).toMatchObject({
      verb: "put",
      eras: [
        { from: second?.from, until: second?.until, build: 7 },
        { from: null, until: "2019-06-01", build: 3 },
      ],
      expected_revision: 3,
    }),
  );
});

test("nothing is planned before a build is chosen, and builds say their commit and whether they are rejected", async () => {
  const sent = ask({ verb: "set", from: null, until: null });
  const choice = await screen.findByRole("combobox", { name: /Build/ });
  await waitFor(() => expect(within(choice).getAllByRole("option")).toHaveLength(5));
  expect(within(choice).getAllByRole("option").map((one) => one.textContent?.replace(/\s+/g, " "))).toContain("Build 2 22222222 push 2 (rejected)");
  expect(sent).toEqual([]);
  expect(button("Set era").disabled).toBe(true);
  write("Until", "2020-01-01");
  fireEvent.change(choice, { target: { value: "3" } });
  await screen.findByTestId("era-plan");
  expect(sent.at(-1)?.body["eras"]).toEqual([{ from: null, until: "2020-01-01", build: 3 }]);
});

test("a refusal is said as the server words it, and nothing can be set", async () => {
  const twice = {
    ...refusal("local-time-missing"),
    type: "urn:pinwheel:invalid-input",
    status: 400,
    failed: "Cannot read '2019-09-08T00:30'",
    found: "it does not exist in America/Santiago: clocks go from 00:00 to 01:00",
    remedy: "Write 01:30",
  };
  ask(WISH, () => ({ status: 400, body: twice }));
  const said = await screen.findByRole("alert");
  expect(said.textContent).toContain("it does not exist in America/Santiago: clocks go from 00:00 to 01:00");
  expect(said.textContent).toContain("Write 01:30");
  expect(button("Set era").disabled).toBe(true);
  expect(screen.queryByRole("checkbox")).toBeNull();
});

test("what does not import, or nobody looked at, is set all the same only when somebody says so", async () => {
  for (const [problem, flag, label] of [
    ["does-not-import", "force", /Set it all the same/],
    ["not-checked", "unchecked", /Set it unchecked/],
  ] as const) {
    const sent = ask(WISH, ({ body }) => (body[flag] === true ? { body: change() } : { status: 403, body: refusal(problem) }));
    expect((await screen.findByRole("alert")).textContent).not.toContain("--force");
    fireEvent.click(screen.getByRole("checkbox", { name: label }));
    await screen.findByTestId("era-plan");
    fireEvent.click(button("Set era"));
    await screen.findByText("Revision 4 is the timeline now");
    expect(sent.at(-1)?.body).toMatchObject({ [flag]: true, plan: false });
    cleanup();
  }
});

test("a rejected build needs a reason, and is planned with it", async () => {
  const rejected = { ...refusal("build-rejected", { rejected_by: "grace" }), found: "build 2 was rejected by grace: wrong" };
  const sent = ask(WISH, ({ body }) => (body["reason"] === null ? { status: 403, body: rejected } : { body: change() }));
  expect((await screen.findByRole("alert")).textContent).toContain("build 2 was rejected by grace: wrong");
  write(/Reason/, "right for 2019");
  await screen.findByTestId("era-plan");
  fireEvent.click(button("Set era"));
  await screen.findByText("Revision 4 is the timeline now");
  expect(sent.at(-1)?.body).toMatchObject({ reason: "right for 2019", plan: false });
});

test("who looks at an old revision looks again before anything is changed", async () => {
  const stale = { ...refusal("stale-revision", { expected_revision: 3, active_revision: 5 }), type: "urn:pinwheel:conflict", status: 409 };
  const sent = ask(WISH, ({ body }) => (body["expected_revision"] === 5 ? { body: change({ revision: 6 }) } : { status: 409, body: stale }));
  fireEvent.click(await screen.findByRole("button", { name: "Look again" }));
  await screen.findByTestId("era-plan");
  fireEvent.click(button("Set era"));
  await screen.findByText("Revision 6 is the timeline now");
  expect(sent.map(({ body }) => body["expected_revision"])).toEqual([3, 5, 5]);
});

test("what is unset names no build, and a plan that changes nothing can not be carried out", async () => {
  const sent = ask({ verb: "unset", from: null, until: null }, () => ({ body: change({ changed: false, changes: [], message: "the timeline says so already", runs: 0 }) }));
  expect((await screen.findByTestId("era-plan")).textContent).toBe("Nothing changes: the timeline says so already.");
  expect(sent[0]?.body["eras"]).toEqual([{ from: null, until: null }]);
  expect(screen.queryByRole("combobox")).toBeNull();
  expect(button("Unset").disabled).toBe(true);
});

function clears(reply: (sent: Sent) => { status?: number; body: unknown }) {
  const { sent } = server({}, reply);
  show(<ClearByDateDialog dagId="blog" zone="Europe/Warsaw" onClose={vi.fn()} />);
  return sent;
}

test("what does not match is shown before it is cleared, each run with its two builds", async () => {
  const sent = clears(({ body }) => ({ body: cleared(body["plan"] === true ? { running: ["running_one"], warnings: ["depends_on_past"] } : {}) }));
  await screen.findByText("2 runs with 6 task instances would run again, oldest date first, each on the build of its date.");
  expect(screen.getAllByRole("listitem").map((one) => one.textContent)[0]).toContain("ran on build 9; would run on 7");
  expect(screen.getByText("Left, since they run now: running_one")).toBeDefined();
  expect(screen.getByText("depends_on_past")).toBeDefined();
  write("Reason", "2021 was wrong");
  fireEvent.click(button("Clear 2 runs"));
  await screen.findByText("2 runs with 6 task instances run again, each on the build of its date");
  expect(sent.map(({ body }) => [body["plan"], body["reason"]])).toEqual([
    [true, null],
    [false, "2021 was wrong"],
  ]);
});

test("a clear that was cut off goes on under the same key", async () => {
  let cut = true;
  const sent = clears(({ body }) => {
    if (body["plan"] === true) return { body: cleared() };
    if (!cut) return { body: cleared({ runs: DIFFER.slice(1), instances: 3 }) };
    cut = false;
    return { status: 500, body: { failed: "Cannot clear", found: "the database went away" } };
  });
  fireEvent.click(await screen.findByRole("button", { name: "Clear 2 runs" }));
  fireEvent.click(await screen.findByRole("button", { name: "Go on" }));
  await screen.findByText("1 run with 3 task instances runs again, each on the build of its date");
  expect(sent[1]?.key).toBe(sent[2]?.key);
});
