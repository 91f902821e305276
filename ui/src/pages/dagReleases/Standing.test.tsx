import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test, vi } from "vitest";

import type { Schemas } from "src/api/client";
import { EntryList } from "src/pages/dagReleases/EntryList";
import { Standing } from "src/pages/dagReleases/Standing";
import { entriesOf } from "src/pages/dagReleases/line";
import { build, release } from "src/pages/dagReleases/testing";

const EVERYTHING: Schemas["May"] = { edit: true, create_runs: true, edit_runs: true, read_code: true, read_runs: true };
const NOTHING: Schemas["May"] = { edit: false, create_runs: false, edit_runs: false, read_code: true, read_runs: true };
const HELD = {
  dag_id: "d",
  bundle: "b",
  active_release: 2,
  active_build: 1,
  newest_build: 3,
  track: "pinned",
  held: true,
  holds: [{ kind: "pin", reason: "month end", since: "2026-03-01T10:00:00Z", until: null, by: "ada" }],
  label: null,
  broken: null,
  retired: false,
  reason: "month-end closing",
  actor: "ada",
  since: "2026-11-21T12:00:00+00:00",
} as Schemas["DagStatus"];
const BUILDS = [build(3, 30, { newer: true }), build(2, 20, { newer: true }), build(1, 10, { releases: [1] })];
const RELEASES = [release(2, 1, 25, { kind: "rollback", active: true }), release(1, 1, 10)];

function show(what: React.ReactNode) {
  render(
    <MemoryRouter>
      <ChakraProvider value={defaultSystem}>{what}</ChakraProvider>
    </MemoryRouter>,
  );
}

test("a held Dag says who pinned it and why, what waits, and offers to promote it", () => {
  const act = vi.fn();
  show(<Standing dag={HELD} builds={BUILDS} releases={RELEASES} may={EVERYTHING} onAct={act} />);
  expect(screen.getByText(/Pinned by ada/).textContent).toContain("month-end closing");
  expect(screen.getByText("Build 3 waits, 2 builds behind")).toBeDefined();
  fireEvent.click(screen.getByRole("button", { name: "Promote build 3" }));
  fireEvent.click(screen.getByRole("button", { name: "Unpin" }));
  fireEvent.click(screen.getByRole("button", { name: "Try build 3 once" }));
  expect(act.mock.calls.map(([action]) => action)).toEqual([{ verb: "promote" }, { verb: "unpin" }, { verb: "try", build: 3 }]);
});

test("nothing to go back to, nothing waiting: neither is offered", () => {
  const free = { ...HELD, track: "auto", held: false, holds: [], newest_build: 1 } as Schemas["DagStatus"];
  show(<Standing dag={free} builds={BUILDS.slice(2)} releases={RELEASES} may={EVERYTHING} onAct={vi.fn()} />);
  expect(screen.queryByRole("button", { name: /Promote|Roll back|Unpin/ })).toBeNull();
  expect(screen.getByRole("button", { name: "Pin" })).toBeDefined();
});

test("whoever may only read sees everything and no action", () => {
  show(
    <>
      <Standing dag={HELD} builds={BUILDS} releases={RELEASES} may={NOTHING} onAct={vi.fn()} />
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
