import { fireEvent, screen, waitFor } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";

import { button, lineOf, open, outcome, refusal, server } from "src/features/change/testing";

const MAY = { edit: true, create_runs: true, edit_runs: false, read_code: true, read_runs: true, override: true };
const GATED = { dag_id: "etl", holds: [{ kind: "gate", reason: "2 approvals", since: null, until: null, by: null }], bundle_version: null };
const asked = (more = {}) => outcome("etl", { kind: null, build: 2, track: "auto", message: "asked for; it waits: 2 approvals", command: "x", ...more });
const PAST = "Release now, past gates and rules";

beforeEach(() => localStorage.setItem("timezone", '"Europe/Vienna"'));

test("a promote not before a time is planned and made with that instant, of the user's time zone", async () => {
  const sent = server(() => ({ body: asked() }));
  open(["etl"], "promote");
  await screen.findByText("asked for; it waits: 2 approvals");
  fireEvent.change(screen.getByLabelText("Not before"), { target: { value: "2026-07-01 08:" } });
  await waitFor(() => expect(button("Promote").disabled).toBe(true));
  fireEvent.change(screen.getByLabelText("Not before"), { target: { value: "2026-07-01 08:00" } });
  await waitFor(() => expect(sent.at(-1)?.body).toMatchObject({ at: "2026-07-01T06:00:00.000Z", plan: true }));
  await waitFor(() => expect(button("Promote").disabled).toBe(false));
  fireEvent.click(button("Promote"));
  await screen.findByText("Done");
  expect(sent.at(-1)?.body).toMatchObject({ at: "2026-07-01T06:00:00.000Z", plan: false });
  expect(sent.at(-1)?.body).not.toHaveProperty("now");
});

test("past gates and rules it is released with a reason only, by who may", async () => {
  const sent = server(({ body }) => ({ body: body["now"] ? asked({ message: "released, past gates and rules" }) : asked() }), {
    status: GATED,
    line: lineOf([], [], { may: MAY }),
  });
  open(["etl"], "promote");
  fireEvent.click(await screen.findByText(PAST));
  await waitFor(() => expect(button("Release now").disabled).toBe(true));
  expect(screen.queryByText("asked for; it waits: 2 approvals")).toBeNull();
  expect(sent.some(({ body }) => body["now"])).toBe(false);
  fireEvent.change(screen.getByLabelText(/Reason/), { target: { value: "it loses money" } });
  await screen.findByText("released, past gates and rules");
  await waitFor(() => expect(button("Release now").disabled).toBe(false));
  fireEvent.click(button("Release now"));
  await screen.findByText("Done");
  expect(sent.at(-1)?.body).toMatchObject({ now: true, plan: false, reason: "it loses money" });
});

test("who may not override is not offered to", async () => {
  server(() => ({ body: asked() }), { status: GATED, line: lineOf([], [], { may: { ...MAY, override: false } }) });
  open(["etl"], "promote");
  await screen.findByText("asked for; it waits: 2 approvals");
  expect(screen.queryByText(PAST)).toBeNull();
});

test("a closed rule says when it opens, and what can be done", async () => {
  const found = "the window is closed; it opens at 2026-07-01 06:00 UTC";
  const no = refusal("etl", { type: "urn:pinwheel:conflict", failed: "Cannot promote etl", found, facts: { dag_id: "etl", problem: "rule-closed" } });
  server(() => ({ status: 409, body: no }), { line: lineOf([], [], { may: MAY }) });
  open(["etl"], "promote");
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("it opens at 2026-07-01 06:00 UTC");
  expect(alert.textContent).toContain("Wait until it opens.");
  expect(await screen.findByText(PAST)).toBeDefined();
});
