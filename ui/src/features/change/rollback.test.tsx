import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";

import { button, lineOf, made, open, outcome, released, REJECTED, server } from "src/features/change/testing";
import { isFilled } from "src/testing";

const REJECTION = { actor: "grace", at: "2026-03-01T12:13:00+00:00", reason: "wrong totals" };
const BUILDS = [made(3), made(2), made(1, { rejected: REJECTION })];
const RELEASES = [
  released(3, 3, { active: true, runs: { failed: 2 } }),
  released(2, 2),
  released(1, 1),
];
const WAY_BACK = { build: 2, bundle_version: null };
const KNOWN = {
  line: lineOf(RELEASES, BUILDS, { way_back: WAY_BACK, may: { edit: true, create_runs: true, edit_runs: true, read_code: true, read_runs: true, override: true } }),
  status: { dag_id: "etl", holds: [], active_build: 3, newest_build: 3, bundle_version: "3".repeat(40) },
};

/** Build 3 is active and failed twice; what is asked for decides what the plan says. */
function failing() {
  return server(({ body }) => {
    const build = (body["build"] as number | null) ?? 2;
    if (build === 1 && body["reason"] === null) {
      return { status: 403, body: { type: "urn:pinwheel:refused", status: 403, failed: "Cannot rollback etl to build 1", found: REJECTED, facts: { dag_id: "etl", build: 1, rejected_by: "grace" } } };
    }
    const runs = ["bad", "worse"];
    const again = body["rerun_failed"] || body["rerun_whole"] ? runs : [];
    const more = {
      build,
      from_build: 3,
      from_release: 3,
      release: body["plan"] ? null : 4,
      rejected: body["to_blame"] ? 3 : null,
      failed_runs: runs,
      rerun: again,
      rerun_tasks: body["rerun_whole"] ? 8 : again.length,
      rerun_mixed: body["rerun_failed"] ? 2 : 0,
      warnings: ["the packages differ"],
    };
    return { body: outcome("etl", { ...more, command: "pinwheel rollback etl" }) };
  }, KNOWN);
}

test("two cards say what runs now and then: label, commit, author, subject, age and what the runs came to", async () => {
  failing();
  open(["etl"]);
  const now = await screen.findByRole("group", { name: "Now" });
  await waitFor(() => expect(now.textContent).toMatch(/Build 33.0.0.*33333333.*Release 3.*push 3.*Ada.*2 failed/));
  const then = screen.getByRole("group", { name: "Then" });
  expect(then.textContent).toMatch(/Build 22.0.0.*22222222.*a new release.*pinned.*push 2.*Ada.*2 success/);
  expect(within(then).getByRole("link").getAttribute("href")).toBe("https://git/2");
  expect((await screen.findByText(/1 file and 0 tasks differ/)).textContent).toContain("Show what differs");
  expect(screen.getByRole("link", { name: "Show what differs" }).getAttribute("href")).toBe("/dags/etl/plugin/dag-releases?view=compare&from=3&to=2");
  expect(screen.getByText("the packages differ")).toBeDefined();
});

test("another target can be chosen; a rejected one is marked, not chosen by itself, and asks for a reason", async () => {
  const sent = failing();
  open(["etl"]);
  const select = await screen.findByRole<HTMLSelectElement>("combobox", { name: "Back to" });
  await waitFor(() => expect(select.options).toHaveLength(3));
  expect([...select.options].map(({ text }) => text)).toEqual([
    "The way back: build 2",
    "Build 2 · 2.0.0 · release 2 · 22222222",
    "Build 1 · 1.0.0 · release 1 · 11111111 · rejected",
  ]);
  expect(select.value).toBe("");
  fireEvent.change(select, { target: { value: "1" } });
  expect((await screen.findByTestId("rejection")).textContent).toContain(REJECTED);
  expect(isFilled(button("Roll back"))).toBe(false);
  fireEvent.change(select, { target: { value: "2" } });
  await waitFor(() => expect(button("Roll back").disabled).toBe(false));
  fireEvent.click(button("Roll back"));
  await screen.findByText("Done");
  expect(sent.at(-1)?.body).toMatchObject({ build: 2, plan: false });
});

test("what fails can run again in part or whole, and what that does is said before", async () => {
  const sent = failing();
  open(["etl"]);
  const only = await screen.findByRole<HTMLInputElement>("radio", { name: "failed tasks only" });
  await waitFor(() => expect(only.checked).toBe(true));
  expect(screen.getByRole("radiogroup", { name: "Re-run the 2 failed runs on build 2" })).toBeDefined();
  expect((await screen.findByTestId("rerun-effect")).textContent).toBe("2 task instances of 2 runs would run again.");
  expect(screen.getByText(/Versions will mix in these 2 runs/)).toBeDefined();
  fireEvent.click(screen.getByRole("radio", { name: "whole runs (no mixed versions)" }));
  await waitFor(() => expect(screen.getByTestId("rerun-effect").textContent).toBe("8 task instances of 2 runs would run again."));
  expect(screen.queryByText(/Versions will mix/)).toBeNull();
  fireEvent.click(screen.getByRole("radio", { name: "no" }));
  await waitFor(() => expect(screen.queryByTestId("rerun-effect")).toBeNull());
  expect(sent.at(-1)?.body).toMatchObject({ rerun_failed: false, rerun_whole: false });
});

test("what was done is told as done, with links to the runs that run again", async () => {
  failing();
  open(["etl"]);
  await screen.findByTestId("rerun-effect");
  await waitFor(() => expect(button("Roll back").disabled).toBe(false));
  fireEvent.click(button("Roll back"));
  await screen.findByText("Done");
  expect(screen.getByRole("group", { name: "Was" }).textContent).toContain("Build 3");
  expect(screen.getByRole("group", { name: "Is now" }).textContent).toContain("Release 4");
  expect(screen.queryByRole("group", { name: "Then" })).toBeNull();
  expect(screen.getByRole("link", { name: "worse" }).getAttribute("href")).toBe("/dags/etl/runs/worse");
});

test("what is rejected is said: a build, or some of its commits", async () => {
  failing();
  open(["etl"]);
  await screen.findByRole("checkbox", { name: "This build is to blame: build 3 is rejected, and never released by itself again" });
});

test("of a way back to an older version of the same build only the versions after it are to blame", async () => {
  server(() => ({
    body: outcome("etl", { build: 3, from_build: 3, version: "1".repeat(40), rejected: 3, rejected_after: "1".repeat(40), rejected_until: "3".repeat(40) }),
  }), KNOWN);
  open(["etl"]);
  await screen.findByRole("checkbox", { name: /the commits of build 3 after 11111111 up to 33333333 are rejected/ });
});

test("with the keyboard the choices come before the reason, and what is done right after it", async () => {
  failing();
  open(["etl"]);
  await screen.findByTestId("rerun-effect");
  const dialog = screen.getByTestId("change-dialog");
  const order = [...dialog.querySelectorAll("select, textarea, button, input")].map(
    (each) => each.tagName + (each.getAttribute("type") === "radio" || each.getAttribute("type") === "checkbox" ? each.getAttribute("type") : each.textContent),
  );
  const place = (text: string) => order.findIndex((each) => each.includes(text));
  expect([place("SELECT"), place("checkbox"), place("radio"), place("TEXTAREA")].every((at, n, all) => at >= 0 && (n === 0 || at > (all[n - 1] ?? 0)))).toBe(true);
  expect(order.slice(place("TEXTAREA") + 1)).toEqual(["BUTTONRoll back", "BUTTONCancel", "BUTTONCopy command", "BUTTON"]);
});

test("unpinning a Dag whose newest build was rolled back says that it is not released, and leads to releasing it on purpose", async () => {
  const holds = [{ kind: "rejected", reason: "wrong totals", since: REJECTION.at, until: null, by: "grace" }];
  const sent = server(({ path }) => ({ body: path.endsWith("unpin") ? outcome("etl", { kind: null, track: "auto" }) : outcome("etl", { kind: "promote", lifted: true }) }), {
    line: lineOf([released(4, 2, { kind: "rollback", active: true, created_at: REJECTION.at }), ...RELEASES], BUILDS),
    status: { dag_id: "etl", holds, active_build: 2, newest_build: 3, bundle_version: null },
  });
  open(["etl"], "unpin");
  const said = await screen.findByTestId("still-rejected");
  expect(said.textContent).toMatch(/Build 3 was rolled back by grace .*: wrong totals/);
  expect(said.textContent).toContain("Unpinning does not release it. The next build that is not rejected is released by itself.");
  const all = button("Release build 3 all the same…");
  expect(isFilled(all)).toBe(false);
  fireEvent.click(all);
  await screen.findByText(/Promote etl/);
  await waitFor(() => expect(sent.at(-1)?.path).toBe("/dags/etl/promote"));
  expect(sent.at(-1)?.body).toMatchObject({ build: 3, plan: true });
});

test("under an era over the present a rollback asks what becomes of it, and changes nothing before that is said", async () => {
  const sent = server(({ body }) => {
    if (body["eras"] !== undefined) return { body: outcome("etl", { build: 2, from_build: 3, from_release: 3 }) };
    const found = "its timeline says that data of … → …, the present among it, is for build 3 (set by ana), so new runs would stay on that";
    return {
      status: 403,
      body: { type: "urn:pinwheel:refused", status: 403, failed: "Cannot roll back etl", found, remedy: "Say --eras replace", facts: { dag_id: "etl", build: 3, problem: "rollback-has-no-effect" } },
    };
  }, KNOWN);
  open(["etl"]);
  const said = await screen.findByRole("alert");
  expect(said.textContent).toContain("so new runs would stay on that");
  expect(said.textContent).not.toContain("--eras");
  expect(button("Roll back").disabled).toBe(true);
  fireEvent.click(screen.getByRole("radio", { name: "Let this era be for the build that is rolled back to" }));
  await screen.findByRole("group", { name: "Then" });
  await waitFor(() => expect(button("Roll back").disabled).toBe(false));
  fireEvent.click(button("Roll back"));
  await screen.findByText("Done");
  expect(sent.at(-1)?.body).toMatchObject({ eras: "replace", plan: false });
});
