import { fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, test, vi } from "vitest";

import type { RolloutVerb } from "src/api/rollouts";
import { ActDialog } from "src/features/rollouts/ActDialog";
import { acted, rollout, server, show } from "src/features/rollouts/testing";
import type { Sent } from "src/features/rollouts/testing";

const ONE = rollout(1);
const button = (name: string) => screen.getByRole<HTMLButtonElement>("button", { name });
const because = (reason: string) => fireEvent.change(screen.getByLabelText(/Reason/), { target: { value: reason } });

function open(verb: RolloutVerb, reply: (sent: Sent) => { status?: number; body: unknown }, now = () => [ONE]) {
  const { sent } = server(now, reply);
  show(<ActDialog rollout={ONE} verb={verb} onClose={vi.fn()} />);
  return sent;
}

test("the plan is shown first, and what was seen is what is approved", async () => {
  const sent = open("approve", ({ body }) => ({ body: acted(ONE, { plan: body.plan }) }));
  expect((await screen.findByTestId("act-plan")).textContent).toContain("What happens: the approval is counted");
  expect(screen.getByTestId("command").textContent).toBe("pinwheel rollout approve dag_1");
  expect(sent).toEqual([{ verb: "approve", body: { reason: null, plan: true }, match: '"3"', key: null }]);
  fireEvent.click(button("Approve"));
  await screen.findByText("Approved");
  expect(sent.at(-1)).toMatchObject({ verb: "approve", body: { reason: null, plan: false }, match: '"3"' });
  expect(sent.at(-1)?.key).toMatch(/^[0-9a-f]{32}$/);
});

test.each(["skip", "abort", "reject"] as const)("to %s needs a reason before anything is asked", async (verb) => {
  const name = { skip: "Skip step", abort: "Abort", reject: "Reject" }[verb];
  const ended = rollout(1, { state: "aborted", slot: null, waits_for: { kind: "nobody", words: "by ada", until: null } });
  const sent = open(verb, () => ({ body: acted(ended, { message: "so it is" }) }));
  expect(screen.getByText("What happens is shown as soon as there is a reason.")).toBeDefined();
  expect(button(name).disabled).toBe(true);
  because("  wrong totals ");
  const plan = await screen.findByTestId("act-plan");
  expect(plan.textContent).toContain("What happens: so it is");
  expect(plan.textContent).toContain("Then the rollout has ended");
  expect(sent.every(({ body }) => body.plan && body.reason === "wrong totals")).toBe(true);
  fireEvent.click(button(name));
  await waitFor(() => expect(sent.at(-1)?.body).toEqual({ reason: "wrong totals", plan: false }));
});

test("a no is shown in the server's words, and nothing can be pressed", async () => {
  const found = "you are one of its authors";
  const problem = { type: "urn:pinwheel:refused", failed: "Cannot approve dag_1", found, remedy: "Somebody else has to approve it", facts: { problem: "may-not-approve" } };
  open("approve", () => ({ status: 403, body: problem }));
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("Cannot approve dag_1");
  expect(alert.textContent).toContain(found);
  expect(alert.textContent).toContain("Somebody else has to approve it");
  expect(button("Approve").disabled).toBe(true);
});

test("of one that has moved since, nothing is done before somebody looked again", async () => {
  const moved = rollout(1, { generation: 4 });
  const stale = { type: "urn:pinwheel:conflict", failed: "Cannot approve dag_1", found: "it is at generation 4 instead of 3", facts: { problem: "stale-generation" } };
  const sent = open(
    "approve",
    ({ match, body }) => (match === '"3"' && !body.plan ? { status: 409, body: stale } : { body: acted(moved, { plan: body.plan }) }),
    () => [moved],
  );
  await screen.findByTestId("act-plan");
  fireEvent.click(button("Approve"));
  expect((await screen.findByRole("alert")).textContent).toContain("generation 4 instead of 3");
  const first = sent.at(-1)?.key;
  fireEvent.click(button("Look again"));
  await waitFor(() => expect(sent.at(-1)).toMatchObject({ match: '"4"', body: { plan: true } }));
  await waitFor(() => expect(button("Approve").disabled).toBe(false));
  fireEvent.click(button("Approve"));
  await screen.findByText("Approved");
  expect(sent.at(-1)).toMatchObject({ match: '"4"', body: { plan: false } });
  expect(sent.at(-1)?.key).not.toBe(first);
});

test("what would change nothing can not be pressed", async () => {
  open("approve", () => ({ body: acted(ONE, { changed: false, message: "you approved it before" }) }));
  expect((await screen.findByTestId("act-plan")).textContent).toContain("Nothing changes: you approved it before");
  expect(button("Approve").disabled).toBe(true);
});
