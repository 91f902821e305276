import { cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, test, vi } from "vitest";

import { button, open, outcome, REJECTED, rejecting, server, toldOf } from "src/features/change/testing";
import type { Sent } from "src/features/change/testing";
import { isFilled } from "src/testing";

test("nothing but the plan is asked for until the change is confirmed", async () => {
  const sent = server(({ body }) => ({ body: outcome("etl", { release: body["plan"] ? null : 3 }) }));
  const done = open(["etl"]);
  await screen.findByText("a new release");
  expect(sent.map(({ body }) => body["plan"])).toEqual([true]);

  fireEvent.change(screen.getByLabelText("Reason"), { target: { value: " wrong totals " } });
  fireEvent.click(screen.getByRole("button", { name: "Roll back" }));
  await screen.findByText("Done");
  expect(done).toHaveBeenCalledOnce();
  const [made, ...more] = sent.filter(({ body }) => !body["plan"]);
  expect(more).toEqual([]);
  expect(made?.path).toBe("/dags/etl/rollback");
  expect(made?.body).toMatchObject({ plan: false, reason: "wrong totals", expected_release: 2 });
  expect(made?.key).toMatch(/^[0-9a-f]{32}$/);
});

test("a repeated click after a lost answer sends the same key, so that it changes nothing twice", async () => {
  let lost = true;
  const sent = server(({ body }) => {
    if (!body["plan"] && lost) {
      lost = false;
      throw new TypeError("network");
    }
    return { body: outcome("etl") };
  });
  open(["etl"]);
  await screen.findByText("a new release");
  fireEvent.click(screen.getByRole("button", { name: "Roll back" }));
  await screen.findByText("Airflow does not answer");
  fireEvent.click(screen.getByRole("button", { name: "Roll back" }));
  await screen.findByText("Done");
  const [, first, second] = sent;
  expect(first?.key).toBe(second?.key);
});

test("a change that is looked at again after a conflict is another request, with a key of its own", async () => {
  let conflicts = true;
  const sent = server(({ body }) => {
    if (!body["plan"] && conflicts) {
      conflicts = false;
      return { status: 409, body: { status: 409, failed: "Cannot rollback etl" } };
    }
    return { body: outcome("etl") };
  });
  open(["etl"]);
  await screen.findByText("a new release");
  fireEvent.click(screen.getByRole("button", { name: "Roll back" }));
  fireEvent.click(await screen.findByRole("button", { name: "Look again" }));
  await waitFor(() => expect(sent).toHaveLength(3));
  await waitFor(() => expect(screen.getByRole<HTMLButtonElement>("button", { name: "Roll back" }).disabled).toBe(false));
  fireEvent.click(screen.getByRole("button", { name: "Roll back" }));
  await screen.findByText("Done");
  const [first, second] = sent.filter(({ body }) => !body["plan"]);
  expect(first?.key).not.toBe(second?.key);
});

/** A server that quotes as the real one does, and on which somebody releases after the first plan. */
function quoting(): Sent[] {
  return server(({ body }) => {
    const reason = typeof body["reason"] === "string" ? ` --reason='${body["reason"]}'` : "";
    const rerun = body["rerun_failed"] ? " --rerun-failed" : "";
    const first = reason === "" && rerun === "";
    return { body: outcome("etl", { command: `pinwheel rollback${rerun}${reason} etl`, from_release: first ? 2 : 7, failed_runs: ["bad"] }) };
  });
}

test("the command to copy has the reason typed, without asking for each letter", async () => {
  const sent = quoting();
  open(["etl"]);
  const command = await screen.findByTestId("command");
  expect(command.textContent).toBe("pinwheel rollback etl");
  const field = screen.getByLabelText("Reason");
  for (const value of ["w", "wrong", "wrong totals "]) fireEvent.change(field, { target: { value } });
  await waitFor(() => expect(command.title).toBe("pinwheel rollback --reason='wrong totals' etl"), { timeout: 10_000 });
  expect(sent.filter(({ body }) => body["reason"] !== null)).toHaveLength(1);

  fireEvent.click(screen.getByRole("radio", { name: "failed tasks only" }));
  await waitFor(() => expect(screen.getByTestId("command").title).toBe("pinwheel rollback --rerun-failed --reason='wrong totals' etl"));
  fireEvent.change(field, { target: { value: "" } });
  await waitFor(() => expect(screen.getByTestId("command").title).toBe("pinwheel rollback --rerun-failed etl"), { timeout: 10_000 });
  expect(sent.every(({ body }) => body["plan"])).toBe(true);
});

test("typing a reason changes neither the plan that is shown nor the release that is expected", async () => {
  const sent = quoting();
  open(["etl"]);
  await screen.findByText("a new release");
  const button = screen.getByRole<HTMLButtonElement>("button", { name: "Roll back" });
  const enabled: boolean[] = [];
  const watched = new MutationObserver(() => enabled.push(!button.disabled));
  watched.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  fireEvent.change(screen.getByLabelText("Reason"), { target: { value: "wrong totals" } });
  await waitFor(() => expect(screen.getByTestId("command").title).toContain("wrong totals"), { timeout: 10_000 });
  watched.disconnect();
  expect(enabled).not.toContain(false);
  fireEvent.click(button);
  await screen.findByText("Done");
  expect(sent.at(-1)?.body).toMatchObject({ plan: false, reason: "wrong totals", expected_release: 2 });
});

test("while the change is being made no command is asked for: there may be nothing left to plan", async () => {
  let release = () => {};
  const waiting = new Promise<void>((resolve) => (release = resolve));
  const sent: { plan: unknown; reason: unknown; signal: AbortSignal }[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    if (request.method === "GET") return toldOf(request);
    const body = (await request.json()) as Record<string, unknown>;
    sent.push({ plan: body["plan"], reason: body["reason"], signal: request.signal });
    if (body["reason"] !== null) await waiting;
    return new Response(JSON.stringify(outcome("etl", { command: "pinwheel rollback etl" })), { headers: { "Content-Type": "application/json" } });
  });
  open(["etl"]);
  await screen.findByTestId("command");
  const field = screen.getByLabelText("Reason");
  fireEvent.change(field, { target: { value: "first" } });
  await waitFor(() => expect(sent).toHaveLength(2), { timeout: 10_000 });
  fireEvent.change(field, { target: { value: "second" } });
  fireEvent.click(screen.getByRole("button", { name: "Roll back" }));
  await waitFor(() => expect(sent).toHaveLength(3));
  expect(sent[1]).toMatchObject({ plan: true, reason: "first", signal: { aborted: true } });
  await new Promise((resolve) => setTimeout(resolve, 800)); // Longer than a field is waited for to be calm.
  expect(sent.slice(2)).toMatchObject([{ plan: false, reason: "second" }]);
  release();
  await screen.findByText("Done");
});

test("a plan in which nothing changes can not be carried out", async () => {
  server(() => ({ body: outcome("etl", { changed: false, message: "build 2 is already active" }) }));
  open(["etl"]);
  await screen.findByText("build 2 is already active");
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Roll back" }).disabled).toBe(true);
});

test("what is rolled back is to blame, unless somebody says that it is not", async () => {
  const sent = server(({ body }) => ({ body: outcome("etl", { rejected: body["to_blame"] ? 2 : null }) }));
  open(["etl"]);
  await screen.findByText("a new release");
  const blame = screen.getByRole<HTMLInputElement>("checkbox", { name: /This build is to blame/ });
  expect(blame.checked).toBe(true);
  expect(sent.at(-1)?.body).toMatchObject({ plan: true, to_blame: true });
  fireEvent.click(blame);
  await waitFor(() => expect(sent.at(-1)?.body).toMatchObject({ plan: true, to_blame: false }));
  await waitFor(() => expect(button("Roll back").disabled).toBe(false));
  fireEvent.click(button("Roll back"));
  await screen.findByText("Done");
  expect(sent.at(-1)?.body).toMatchObject({ plan: false, to_blame: false });
});

test("only a roll back asks who is to blame", async () => {
  server(() => ({ body: outcome("etl", { kind: "promote" }) }));
  open(["etl"], "promote");
  await screen.findByText("a new release");
  expect(screen.queryByRole("checkbox")).toBeNull();
});

test("a rejected build is released with a reason only, after it was said who rejected it, when and why", async () => {
  const sent = rejecting(["etl"]);
  open(["etl"], "promote");
  const said = await screen.findByTestId("rejection");
  expect(said.textContent).toContain("Build 3 is rejected");
  expect(said.textContent).toContain(REJECTED);
  const field = screen.getByRole<HTMLTextAreaElement>("textbox", { name: /Reason/ });
  expect(field.required).toBe(true);
  expect(button("Promote").disabled).toBe(true);
  fireEvent.change(field, { target: { value: "  " } });
  expect(button("Promote").disabled).toBe(true);

  for (const value of ["t", "the totals", "the totals were right"]) fireEvent.change(field, { target: { value } });
  await screen.findByText(`promoted, which lifts a rejection: ${REJECTED}`, undefined, { timeout: 10_000 });
  expect(screen.getByTestId("rejection")).toBeDefined();
  await waitFor(() => expect(button("Promote").disabled).toBe(false));
  fireEvent.change(field, { target: { value: "" } });
  expect(button("Promote").disabled).toBe(true);
  fireEvent.change(field, { target: { value: "the totals were right after all" } });
  expect(button("Promote").disabled).toBe(false);
  fireEvent.click(button("Promote"));
  await screen.findByText("Done");
  expect(sent.filter(({ body }) => body["plan"] && body["reason"] === null)).toHaveLength(1);
  const [made, ...more] = sent.filter(({ body }) => !body["plan"]);
  expect(more).toEqual([]);
  expect(made?.body).toMatchObject({ reason: "the totals were right after all", expected_release: 2 });
});

test("the button that releases a rejected build is never filled, the one that releases another is", async () => {
  rejecting(["bad"]);
  const filled = ["promote", "pin"] as const;
  for (const verb of filled) {
    open(["bad"], verb);
    await screen.findByTestId("rejection");
    const name = verb === "pin" ? "Pin" : "Promote";
    expect(isFilled(button(name))).toBe(false);
    fireEvent.change(screen.getByRole("textbox", { name: /Reason/ }), { target: { value: "why" } });
    await waitFor(() => expect(button(name).disabled).toBe(false), { timeout: 10_000 });
    expect(isFilled(button(name))).toBe(false);
    cleanup();
  }
  open(["good"], "promote");
  await screen.findByText("promoted");
  expect(isFilled(button("Promote"))).toBe(true);
});

test("a build that was rejected after the plan was made is planned anew before it is released", async () => {
  let rejected = false;
  const sent = server(({ body }) => {
    if (!rejected || body["reason"] !== null) {
      rejected = true;
      return { body: outcome("etl", { kind: "promote", build: 3 }) };
    }
    return { status: 403, body: { status: 403, failed: "Cannot promote etl to build 3", found: REJECTED, facts: { dag_id: "etl", build: 3, rejected_by: "grace" } } };
  });
  open(["etl"], "promote");
  await screen.findByText("a new release");
  fireEvent.click(button("Promote"));
  fireEvent.click(await screen.findByRole("button", { name: "Look again" }));
  expect((await screen.findByTestId("rejection")).textContent).toContain(REJECTED);
  expect(button("Promote").disabled).toBe(true);
  expect(sent.filter(({ body }) => !body["plan"])).toHaveLength(1);
});
