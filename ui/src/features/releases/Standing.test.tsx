import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test, vi } from "vitest";

import type { Schemas } from "src/api/schemas";
import { EntryList } from "src/features/releases/EntryList";
import { entriesOf } from "src/features/releases/line";
import { Standing } from "src/features/releases/Standing";
import { at, build, release } from "src/features/releases/testing";
import { isFilled } from "src/testing";

const EVERYTHING: Schemas["May"] = { edit: true, create_runs: true, edit_runs: true, read_code: true, read_runs: true, override: true };
const NOTHING: Schemas["May"] = { edit: false, create_runs: false, edit_runs: false, read_code: true, read_runs: true, override: false };
const HELD = {
  dag_id: "d",
  bundle: "b",
  active_release: 2,
  active_build: 1,
  newest_build: 3,
  track: "pinned",
  held: true,
  holds: [{ kind: "pin", reason: "month end", since: "2026-03-01T10:00:00Z", until: null, by: "ada" }],
  behind: { versions: 2, kind: "traced" },
  label: null,
  broken: null,
  retired: false,
  reason: "month-end closing",
  actor: "ada",
  since: "2026-11-21T12:00:00+00:00",
} as Schemas["DagStatus"];
const BACK_TO_1 = { build: 1, bundle_version: null };
const BUILDS = [build(3, 30, { newer: true }), build(2, 20, { newer: true }), build(1, 10, { releases: [1] })];
const RELEASES = [release(2, 1, 25, { kind: "rollback", active: true }), release(1, 1, 10)];

function show(what: React.ReactNode) {
  render(
    <MemoryRouter>
      <ChakraProvider value={defaultSystem}>{what}</ChakraProvider>
    </MemoryRouter>,
  );
}

test("a Dag that is behind in other files only says so, and no filled button asks to go on", () => {
  const act = vi.fn();
  const same = { ...HELD, newest_build: 1, behind: { versions: 10, kind: "other files" } } as Schemas["DagStatus"];
  show(<Standing dag={same} builds={BUILDS.slice(2)} releases={RELEASES} wayBack={null} may={EVERYTHING} onAct={act} />);
  expect(screen.getByText("Build 1 waits in a newer version")).toBeDefined();
  expect(screen.getByText("New runs are 10 versions behind, only other files.")).toBeDefined();
  const promote = screen.getByRole("button", { name: "Promote build 1 to its newest version" });
  expect(filled()).toEqual([]);
  fireEvent.click(promote);
  expect(act.mock.calls).toEqual([[{ verb: "promote" }]]);
});

test("a held Dag says who pinned it and why, what waits, and offers to promote it", () => {
  const act = vi.fn();
  show(<Standing dag={HELD} builds={BUILDS} releases={RELEASES} wayBack={BACK_TO_1} may={EVERYTHING} onAct={act} />);
  expect(screen.getByText(/Pinned by ada/).textContent).toContain("month-end closing");
  expect(screen.getByText("Build 3 waits, 2 builds behind")).toBeDefined();
  // Said once: what waits, and what holds it.
  expect(screen.queryByText("held")).toBeNull();
  fireEvent.click(screen.getByRole("button", { name: "Promote build 3" }));
  fireEvent.click(screen.getByRole("button", { name: "Unpin" }));
  fireEvent.click(screen.getByRole("button", { name: "Try build 3 once" }));
  expect(act.mock.calls.map(([action]) => action)).toEqual([{ verb: "promote" }, { verb: "unpin" }, { verb: "try", build: 3 }]);
});

test("an era over the present is said, and leads to the timeline: nothing waits that could be promoted", () => {
  const holds = [{ kind: "era", reason: "the old fees", since: at(10), until: null, by: "ana" }] as Schemas["Hold"][];
  const dated = { ...HELD, track: "auto", newest_build: 1, behind: null, holds } as Schemas["DagStatus"];
  show(<Standing dag={dated} builds={BUILDS.slice(2)} releases={RELEASES} wayBack={null} may={EVERYTHING} onAct={vi.fn()} />);
  expect(screen.getByText(/An era of its/).textContent).toMatch(/holds now, on another build than the newest\. Set by ana .*: the old fees/);
  expect(screen.getByRole("link", { name: "timeline" }).getAttribute("href")).toContain("view=timeline");
  expect(screen.queryByText(/waits/)).toBeNull();
  expect(screen.queryByRole("button", { name: /Promote/ })).toBeNull();
});

test("a Dag that followed says which version new runs take", () => {
  const followed = { ...HELD, bundle_version: "f".repeat(40) } as Schemas["DagStatus"];
  show(<Standing dag={followed} builds={BUILDS} releases={RELEASES} wayBack={BACK_TO_1} may={EVERYTHING} onAct={vi.fn()} />);
  expect(screen.getByText(/new runs take/).textContent).toContain("ffffffff");
});

test("nothing to go back to, nothing waiting: neither is offered", () => {
  const free = { ...HELD, track: "auto", held: false, holds: [], newest_build: 1 } as Schemas["DagStatus"];
  show(<Standing dag={free} builds={BUILDS.slice(2)} releases={RELEASES} wayBack={null} may={EVERYTHING} onAct={vi.fn()} />);
  expect(screen.queryByRole("button", { name: /Promote|Roll back|Unpin/ })).toBeNull();
  expect(screen.getByRole("button", { name: "Pin" })).toBeDefined();
});

test("whoever may only read sees everything and no action", () => {
  show(
    <>
      <Standing dag={HELD} builds={BUILDS} releases={RELEASES} wayBack={BACK_TO_1} may={NOTHING} onAct={vi.fn()} />
      <EntryList
        dagId="d"
        entries={entriesOf(BUILDS, RELEASES)}
        activeBuild={1}
        may={NOTHING}
        selected={[]}
        picked={undefined}
        onChoose={vi.fn()}
        onAct={vi.fn()}
        older={undefined}
      />
    </>,
  );
  expect(screen.getAllByRole("row")).toHaveLength(5);
  expect(screen.queryAllByRole("button")).toEqual([]);
});

test("a long list is drawn in parts, and a row that is picked in the picture is drawn at once", { timeout: 60_000 }, () => {
  const many = Array.from({ length: 60 }, (_, place) => build(60 - place, 59 - (place % 60), { created_at: new Date(2e12 - place * 1e6).toISOString() }));
  const list = (picked: string | undefined) => (
    <EntryList
      dagId="d"
      entries={entriesOf(many, [])}
      activeBuild={1}
      may={NOTHING}
      selected={[]}
      picked={picked}
      onChoose={vi.fn()}
      onAct={vi.fn()}
      older={undefined}
    />
  );
  Element.prototype.scrollIntoView = vi.fn();
  show(list(undefined));
  expect(screen.getAllByRole("row")).toHaveLength(26);
  fireEvent.click(screen.getByRole("button", { name: "Show more (35)" }));
  expect(screen.getAllByRole("row")).toHaveLength(61);
  cleanup();
  show(list("build 1"));
  expect(screen.getAllByTestId("build-1")).toHaveLength(1);
  expect(Element.prototype.scrollIntoView).toHaveBeenCalledOnce();
});

const REJECTION = { actor: "grace", reason: "wrong totals", at: at(25) };
const ROLLED_BACK = {
  ...HELD,
  active_release: 3,
  newest_build: 2,
  holds: [...HELD.holds, { kind: "rejected", reason: "wrong totals", since: at(25), until: null, by: "grace" }],
} as Schemas["DagStatus"];
const LEFT = [build(2, 20, { newer: true, rejected: REJECTION, releases: [2] }), build(1, 10, { releases: [1] })];
const BACK = [release(3, 1, 25, { kind: "rollback", active: true }), release(2, 2, 20), release(1, 1, 10)];

function filled(): string[] {
  return screen
    .getAllByRole("button")
    .filter(isFilled)
    .map(({ textContent }) => textContent);
}

test("after a roll back the page says who rejected the build and why, and no filled button brings it back", () => {
  const act = vi.fn();
  show(<Standing dag={ROLLED_BACK} builds={LEFT} releases={BACK} wayBack={BACK_TO_1} may={EVERYTHING} onAct={act} />);
  const standing = screen.getByRole("region", { name: "Where the Dag stands" });
  expect(standing.textContent).toMatch(/Build 2 was rolled back by grace .*: wrong totals/);
  expect(standing.textContent).toContain("Once unpinned, the next build that is not rejected is released by itself.");
  expect(standing.textContent).not.toContain("waits");
  expect(filled()).toEqual([]);
  fireEvent.click(screen.getByRole("button", { name: "Promote rejected build 2" }));
  expect(act.mock.calls).toEqual([[{ verb: "promote" }]]);
});

test("an unpinned Dag says what it waits for", () => {
  const [, rejected] = ROLLED_BACK.holds;
  const unpinned = { ...ROLLED_BACK, track: "auto", holds: [rejected] } as Schemas["DagStatus"];
  show(<Standing dag={unpinned} builds={LEFT} releases={BACK} wayBack={null} may={EVERYTHING} onAct={vi.fn()} />);
  expect(screen.getByText("The next build that is not rejected is released by itself.")).toBeDefined();
});

test("what is held but not rejected is promoted by a filled button", () => {
  show(<Standing dag={HELD} builds={BUILDS} releases={RELEASES} wayBack={BACK_TO_1} may={EVERYTHING} onAct={vi.fn()} />);
  expect(filled()).toEqual(["Promote build 3"]);
});

test("what was rejected without a roll back is said to be rejected", () => {
  show(<Standing dag={ROLLED_BACK} builds={LEFT} releases={BACK.slice(1)} wayBack={null} may={EVERYTHING} onAct={vi.fn()} />);
  expect(screen.getByText(/Build 2 was rejected by grace/).textContent).toContain("wrong totals");
});

const FAILS = { ...HELD, track: "auto", held: false, holds: [], active_release: 2, active_build: 2, newest_build: 2 } as Schemas["DagStatus"];
const FAILED = [release(2, 2, 20, { active: true, runs: { failed: 2, success: 1 } }), release(1, 1, 10)];

test("while runs of the active release fail, the filled button is the one that rolls back, and says where to", () => {
  const act = vi.fn();
  show(<Standing dag={FAILS} builds={BUILDS.slice(1)} releases={FAILED} wayBack={BACK_TO_1} may={EVERYTHING} onAct={act} />);
  expect(filled()).toEqual(["Roll back to build 1"]);
  fireEvent.click(screen.getByRole("button", { name: "Roll back to build 1" }));
  expect(act.mock.calls).toEqual([[{ verb: "rollback" }]]);
  cleanup();
  const older = { build: 2, bundle_version: "f".repeat(40) };
  show(<Standing dag={FAILS} builds={BUILDS.slice(1)} releases={FAILED} wayBack={older} may={EVERYTHING} onAct={act} />);
  expect(filled()).toEqual(["Roll back to version ffffffff"]);
  cleanup();
  // A newer build waits: it may be the fix or not, so it does not compete.
  const waits = { ...HELD, active_release: 2, active_build: 2 } as Schemas["DagStatus"];
  show(<Standing dag={waits} builds={BUILDS} releases={FAILED} wayBack={BACK_TO_1} may={EVERYTHING} onAct={act} />);
  expect(filled()).toEqual(["Roll back to build 1"]);
  cleanup();
  show(<Standing dag={FAILS} builds={BUILDS.slice(1)} releases={FAILED} wayBack={null} may={EVERYTHING} onAct={act} />);
  expect(filled()).toEqual([]);
});

test("what failed on a release stays counted, and is said to run again on the other", () => {
  const left = release(2, 2, 20, { runs: { failed: 2 }, run_again_on: { 3: 2 } });
  show(
    <EntryList
      dagId="d"
      entries={entriesOf(LEFT, [release(3, 1, 25, { kind: "rollback", active: true, runs: { success: 2 } }), left, release(1, 1, 10)])}
      activeBuild={1}
      may={EVERYTHING}
      selected={[]}
      picked={undefined}
      onChoose={vi.fn()}
      onAct={vi.fn()}
      older={undefined}
    />,
  );
  expect(screen.getByTestId("build-2").textContent).toContain("2 failedre-run on release 3");
  expect(screen.getByTestId("release-3").textContent).toContain("2 success");
});

test("the active build is run once, another one is tried once", () => {
  show(<Standing dag={FAILS} builds={BUILDS.slice(1)} releases={FAILED} wayBack={null} may={EVERYTHING} onAct={vi.fn()} />);
  expect(screen.getByRole("button", { name: "Run once" })).toBeDefined();
  expect(screen.queryByRole("button", { name: /Try/ })).toBeNull();
});

test("a rejected build that is active is said to stay", () => {
  const active = { ...ROLLED_BACK, active_release: 2, active_build: 2, held: false, holds: [] } as Schemas["DagStatus"];
  show(<Standing dag={active} builds={LEFT} releases={BACK.slice(1)} wayBack={null} may={EVERYTHING} onAct={vi.fn()} />);
  expect(screen.getByText(/The active build is rejected by grace/).textContent).toContain("It stays active until another one is released.");
});

test("what is rejected is nothing to go back to", () => {
  const onSecond = { ...HELD, active_release: 4, active_build: 1, newest_build: 1, held: false, holds: [] } as Schemas["DagStatus"];
  show(<Standing dag={onSecond} builds={LEFT} releases={BACK.slice(1)} wayBack={null} may={EVERYTHING} onAct={vi.fn()} />);
  expect(screen.queryByRole("button", { name: "Roll back" })).toBeNull();
});

test("the list marks each row of a rejected build, says once who rejected it and why, and names it in its actions", async () => {
  const act = vi.fn();
  show(
    <EntryList
      dagId="d"
      entries={entriesOf(LEFT, [release(4, 1, 40, { active: true }), release(3, 2, 30, { newer: true }), ...BACK.slice(2)])}
      activeBuild={1}
      may={EVERYTHING}
      selected={[]}
      picked={undefined}
      onChoose={vi.fn()}
      onAct={act}
      older={undefined}
    />,
  );
  const rows = screen.getAllByRole("row").filter(({ textContent }) => textContent.includes("rejected"));
  expect(rows.map((row) => row.dataset["testid"])).toEqual(["release-3", "build-2"]);
  expect(rows.filter(({ textContent }) => /rejected by grace .*: wrong totals/.test(textContent))).toEqual([screen.getByTestId("build-2")]);
  fireEvent.click(screen.getAllByRole("button", { name: "Actions for build 2" })[0] as HTMLElement);
  expect((await screen.findAllByRole("menuitem")).map(({ textContent }) => textContent)).toEqual([
    "Promote rejected build 2",
    "Pin to rejected build 2",
    "Try build 2 once",
  ]);
});

test("what released itself says so, and names the commit's author in place of Pinwheel", () => {
  const one = release(1, 1, 10, { active: true, author: "Linus Example <linus@shop.example>", message: "Settlement: compare\n\nMore.", reason: "Settlement: compare" });
  const dag = { ...HELD, active_release: 1 } as Schemas["DagStatus"];
  show(<Standing dag={dag} builds={BUILDS} releases={[one]} wayBack={null} may={NOTHING} onAct={() => undefined} />);
  const said = screen.getByRole("region", { name: "Where the Dag stands" }).textContent;
  expect(said).toMatch(/released by itself .* · Linus Example: Settlement: compare/);
  expect(said).not.toContain("by pinwheel");
  expect(said).not.toContain("linus@shop.example");
});

test("the list repeats no reason that is the first line of the commit's message, and says what went by itself", () => {
  const entries = entriesOf([build(1, 10, { message: "Fees: 1.2 %\n\nMore." })], [release(1, 1, 10, { reason: "Fees: 1.2 %" })]);
  show(<EntryList dagId="d" entries={entries} activeBuild={1} may={NOTHING} selected={[]} picked={undefined} onChoose={vi.fn()} onAct={vi.fn()} older={undefined} />);
  expect(screen.getAllByText("Fees: 1.2 %")).toHaveLength(1);
  expect(screen.getByText("by itself")).toBeDefined();
});
