import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, test, vi } from "vitest";

import type { Timeline } from "src/api/timeline";
import { Bars } from "src/features/timeline/Bars";
import { BY_HAND, CHECK, DIFFER, MAY_LOOK, NONE, server, show, TIMELINE } from "src/features/timeline/testing";
import { TimelineView } from "src/features/timeline/TimelineView";

/** happy-dom lays nothing out. */
function wide() {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      constructor(private readonly told: (entries: { contentRect: { width: number } }[]) => void) {}
      observe() {
        this.told([{ contentRect: { width: 1000 } }]);
      }
      disconnect() {}
    },
  );
}

const rows = () => screen.getAllByTestId(/^(era|gap)-row$/).map((row) => row.textContent);
const draw = (timeline: Timeline, onRun = vi.fn()) => {
  wide();
  show(<Bars timeline={timeline} runs={[...DIFFER, ...BY_HAND]} subjectOf={(build) => (build === 3 ? "on premise" : "")} onRun={onRun} />);
};

test("all dates are told in words: eras with their commit and reason, gaps with the active build, and how the runs stand", async () => {
  server();
  show(<TimelineView dagId="blog" />);
  await waitFor(() => expect(rows()[0]).toContain("on premise"));
  const [first, second, third] = rows();
  expect(first).toContain("… → 2020-01-01");
  expect(first).toContain("Build 3");
  expect(first).toContain("33333333");
  expect(first).toContain("12 runs, 12 match");
  expect(second).toContain("48 runs, 46 match, 2 ran on build 9");
  expect(second).toContain("for build 7 · ana, revision 3");
  expect(third).toContain("gap the active release, now Build 9");
});

test("the picture says by which date it goes, hatches gaps, and outlines runs that do not match", () => {
  draw(TIMELINE);
  expect(screen.getByText(/Left to right: start of the data interval, in Europe\/Warsaw/)).toBeDefined();
  expect(screen.getAllByTestId("era")).toHaveLength(2);
  expect(screen.getByTestId("gap").querySelector("rect")?.getAttribute("fill")).toMatch(/^url\(#/);
  expect(screen.getByTestId("timeline-picture").textContent).toContain("today");
  const differing = screen.getAllByTestId("tick-differs");
  expect(differing[0]?.closest("g")?.textContent).toContain("ran on build 9; would run on 7");
  // Coloured by what ran, not by what should have.
  expect(differing[0]?.getAttribute("class")).not.toBe(screen.getByTestId("tick-by_hand").getAttribute("class"));
  expect(screen.getByRole("img").getAttribute("aria-label")).toContain("… → 2020-01-01 build 3; 2020-01-01 → 2024-01-01 build 7");
});

test("a mark leads to its run", () => {
  const go = vi.fn();
  draw(TIMELINE, go);
  fireEvent.click(screen.getAllByTestId("tick-differs")[0] ?? document.body);
  expect(go.mock.calls).toEqual([["scheduled__2021-05-01"]]);
});

test("what does not match is counted, listed when asked for, and led to the dialog that clears it", async () => {
  server();
  show(<TimelineView dagId="blog" />);
  const said = await screen.findByTestId("differing");
  expect(said.textContent).toContain("2 runs do not match");
  expect(said.textContent).toContain("1 run on a build that somebody chose");
  expect(within(said).queryByRole("list")).toBeNull();
  fireEvent.click(within(said).getByRole("button", { name: "Show them" }));
  expect(within(said).getAllByRole("listitem").map((one) => one.textContent)).toEqual([
    "2021-05-01 02:00:00 scheduled__2021-05-01: ran on build 9; would run on 7",
    "2021-06-01 02:00:00 scheduled__2021-06-01: ran on build 9; would run on 7",
    "2022-01-01 01:00:00 mine: ran on build 3, which somebody chose; would run on 7",
  ]);
  fireEvent.click(within(said).getByRole("button", { name: "Clear them…" }));
  expect(await screen.findByTestId("clear-by-date-dialog")).toBeDefined();
});

test("whoever may only look sees all of it, no button that changes something, and why", async () => {
  server({ may: MAY_LOOK });
  show(<TimelineView dagId="blog" />);
  await screen.findByTestId("differing");
  expect(screen.getByRole("note").textContent).toContain("permission to edit");
  expect(screen.queryByRole("button", { name: /Set|Change|Unset|Clear/ })).toBeNull();
});

test("whoever may not see runs is not told of any", async () => {
  const unseen = { ...TIMELINE, stretches: TIMELINE.stretches.map((one) => ({ ...one, counts: null })) };
  const { asked } = server({ timeline: unseen, may: { ...MAY_LOOK, read_runs: false } });
  show(<TimelineView dagId="blog" />);
  await screen.findByRole("table");
  expect(screen.queryByRole("columnheader", { name: "Runs" })).toBeNull();
  expect(screen.queryByTestId("differing")).toBeNull();
  expect(asked).not.toContain("/timeline/check");
});

test("a Dag without eras says so, and asks for the first one", async () => {
  server({ timeline: NONE, check: { ...CHECK, differ: [], by_hand: [] } });
  show(<TimelineView dagId="blog" />);
  expect(await screen.findByText(/No era: data of all dates is for the active release/)).toBeDefined();
  expect(screen.queryByRole("button", { name: "Unset all…" })).toBeNull();
  expect(screen.queryByRole("button", { name: /revision/ })).toBeNull();
  expect(screen.queryByTestId("differing")).toBeNull();
  fireEvent.click(screen.getByRole("button", { name: "Set an era…" }));
  expect(await screen.findByTestId("era-dialog")).toBeDefined();
});

test("runs that stay on the build of an era that is gone are counted and can be cleared", async () => {
  server({ timeline: NONE });
  show(<TimelineView dagId="blog" />);
  const said = await screen.findByTestId("differing");
  expect(said.textContent).toContain("2 runs do not match");
  expect(within(said).getByRole("button", { name: "Clear them…" })).toBeDefined();
});

test("revisions are folded, and tell who set which eras and why", async () => {
  const { asked } = server();
  show(<TimelineView dagId="blog" />);
  fireEvent.click(await screen.findByRole("button", { name: "Show all 3 revisions" }));
  const list = await screen.findByRole("list", { name: "Revisions" });
  expect(asked).toContain("/timeline/history");
  const [newer, older] = within(list).getAllByRole("listitem").map((one) => one.textContent);
  expect(newer).toContain("Revision 2 (unset) by ben");
  expect(newer).toContain("no era");
  expect(older).toContain("first attempt");
  expect(older).toContain("… → 2020-01-01 build 2 at 22222222");
});

test("a row sets and unsets its own dates", async () => {
  const { sent } = server();
  show(<TimelineView dagId="blog" />);
  fireEvent.click(await screen.findByRole("button", { name: "Unset… 2020-01-01 → 2024-01-01" }));
  await waitFor(() => expect(sent[0]?.body).toMatchObject({ verb: "unset", eras: [{ from: "2020-01-01", until: "2024-01-01" }], plan: true }));
});

test("sensors of other Dags that wait in vain are named with the dates", async () => {
  const sensor = { dag_id: "report", task_id: "wait", waits_for: "cloud", from: null, until: "2020-01-01", starts_at: null, ends_at: "2020-01-01T00:00:00+00:00" };
  server({ check: { ...CHECK, sensors: [sensor] } });
  show(<TimelineView dagId="blog" />);
  const told = await screen.findByTestId("sensors");
  expect(told.textContent).toContain("1 sensor of other Dags waits until the timeout");
  expect(told.textContent).toContain("report: wait waits for cloud, which is not there at … → 2020-01-01");
});

test("the dates at which tasks of the active build have no place are shown with these tasks", async () => {
  const edge = "2020-01-01T00:00:00+00:00";
  const many = Array.from({ length: 14 }, (_, index) => `old_${index + 10}`);
  const variants = [
    { from: null, until: "2020-01-01", starts_at: null, ends_at: edge, absent: ["to_warehouse"] },
    { from: "2020-01-01", until: null, starts_at: edge, ends_at: null, absent: many },
  ];
  server({ timeline: { ...NONE, variants } });
  show(<TimelineView dagId="blog" />);
  const rows = await screen.findAllByTestId("variant-row");
  expect(rows.map((row) => row.textContent)).toEqual(["… → 2020-01-01to_warehouse", `2020-01-01 → …${many.slice(0, 12).join(", ")} and 2 more`]);
});

test("nothing is said of tasks where none has dates of its own, or who looks may not know", async () => {
  for (const variants of [[], null]) {
    server({ timeline: { ...TIMELINE, variants } });
    const { unmount } = show(<TimelineView dagId="blog" />);
    await screen.findByRole("table", { name: "Dates and their builds" });
    expect(screen.queryByRole("table", { name: "Dates and the tasks that have no place at them" })).toBeNull();
    unmount();
  }
});
