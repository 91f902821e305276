import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";

import { batch, button, open, outcome, refusal, REJECTED, rejecting, server } from "src/features/change/testing";
import type { Sent } from "src/features/change/testing";
import { isFilled } from "src/testing";

test("many Dags are changed in one request", async () => {
  const sent = server(() => ({ body: batch([outcome("a"), outcome("b", { changed: false })]) }));
  open(["a", "b"]);
  fireEvent.click(await screen.findByRole("button", { name: "Roll back 1 Dag" }));
  await screen.findByText("Done");
  expect(sent.map(({ path }) => path)).toEqual(["/changes", "/changes"]);
  expect(sent[1]?.body).toMatchObject({ verb: "rollback", selector: { ids: ["a", "b"] }, plan: false });
});

const HUNDRED = Array.from({ length: 100 }, (_, number) => `d${number}`);
const TEN = HUNDRED.filter((_, number) => number % 10 === 0);

/** Ten of a hundred Dags have no way back. */
function incident(): Sent[] {
  return server(({ body }) => ({
    body: batch(
      HUNDRED.filter((dagId) => !TEN.includes(dagId)).map((dagId) => outcome(dagId)),
      body["plan"] ? TEN.map((dagId) => refusal(dagId)) : [],
    ),
  }));
}

test("an incident of a hundred Dags of which ten cannot go back is one dialog", { timeout: 60_000 }, async () => {
  const sent = incident();
  open(HUNDRED);
  const said = await screen.findByTestId("refused");
  expect(said.textContent).toContain("10 Dags cannot take this change");
  expect(within(said).getAllByRole("listitem")).toHaveLength(5);
  fireEvent.click(within(said).getByRole("button", { name: "Show all 10" }));
  expect(within(said).getAllByRole("listitem")).toHaveLength(10);
  expect(said.textContent).toContain("d90: no earlier release has another build");
  expect(said.textContent).not.toContain("pinwheel builds");
  expect(button("Roll back 90 Dags").disabled).toBe(true);

  fireEvent.click(button("Leave out the 10 that cannot"));
  expect(screen.getByTestId("refused").textContent).toContain("10 Dags left out");
  fireEvent.change(screen.getByLabelText("Reason"), { target: { value: "the platform is broken" } });
  expect(isFilled(button("Roll back 90 Dags"))).toBe(true);
  fireEvent.click(button("Roll back 90 Dags"));
  await screen.findByText("Done");
  expect(screen.getByTestId("refused").textContent).toContain("10 Dags left out");
  expect(sent.map(({ body }) => body["plan"])).toEqual([true, false]);
  expect(sent[1]?.body).toMatchObject({ selector: { ids: HUNDRED }, skip_refused: TEN, reason: "the platform is broken" });
});

test("a Dag that cannot take the change only after the plan fails the batch, and the dialog looks again", async () => {
  let late = false;
  server(({ body }) => {
    if (!body["plan"]) {
      late = true;
      return { status: 404, body: refusal("b") };
    }
    return { body: late ? batch([outcome("a")], [refusal("b")]) : batch([outcome("a"), outcome("b")]) };
  });
  open(["a", "b"]);
  fireEvent.click(await screen.findByRole("button", { name: "Roll back 2 Dags" }));
  await screen.findByText("Cannot roll back b");
  fireEvent.click(button("Look again"));
  fireEvent.click(await screen.findByRole("button", { name: "Leave out b" }));
  expect(button("Roll back 1 Dag").disabled).toBe(false);
});

test.each([true, false])("of many Dags what is rolled back is to blame too: %s", async (toBlame) => {
  const sent = server(() => ({ body: batch([outcome("a"), outcome("b")]) }));
  open(["a", "b"]);
  await screen.findByRole("button", { name: "Roll back 2 Dags" });
  if (!toBlame) fireEvent.click(screen.getByRole("checkbox", { name: /These builds are to blame/ }));
  const go = await screen.findByRole<HTMLButtonElement>("button", { name: "Roll back 2 Dags" });
  await waitFor(() => expect(go.disabled).toBe(false));
  fireEvent.click(go);
  await screen.findByText("Done");
  expect(sent.at(-1)?.body).toMatchObject({ verb: "rollback", plan: false, to_blame: toBlame });
});

test("of many Dags those with a rejected build are left out, whatever reason the others are changed for", async () => {
  const sent = rejecting(["a", "b"]);
  open(["a", "b", "c"], "promote");
  const said = await screen.findByTestId("refused");
  expect(said.textContent).toContain(`a: ${REJECTED}`);
  expect(said.textContent).toContain(`b: ${REJECTED}`);
  fireEvent.click(button("Leave out the 2 that cannot"));
  fireEvent.change(screen.getByLabelText("Reason"), { target: { value: "month end" } });
  expect(isFilled(button("Promote 1 Dag"))).toBe(true);
  fireEvent.click(button("Promote 1 Dag"));
  await screen.findByText("Done");
  expect(sent).toHaveLength(2);
  expect(sent.at(-1)?.body).toMatchObject({ skip_refused: ["a", "b"], reason: "month end", plan: false });
});

test("or they are released on purpose, with a reason and by a button that is not filled", async () => {
  const sent = rejecting(["a", "b"]);
  open(["a", "b", "c"], "promote");
  fireEvent.change(await screen.findByLabelText("Reason"), { target: { value: "it is right" } });
  await screen.findByTestId("refused");
  expect(sent.every(({ body }) => body["reason"] === null)).toBe(true);
  fireEvent.click(button("Release the 2 rejected all the same"));
  const go = await screen.findByRole("button", { name: "Promote 3 Dags" }, { timeout: 10_000 });
  await waitFor(() => expect((go as HTMLButtonElement).disabled).toBe(false), { timeout: 10_000 });
  expect(isFilled(go)).toBe(false);
  fireEvent.click(go);
  await screen.findByText("Done");
  expect(sent.at(-1)?.body).toMatchObject({ selector: { ids: ["a", "b", "c"] }, reason: "it is right", plan: false });
  expect(sent.at(-1)?.body["skip_refused"]).toBeUndefined();
});
