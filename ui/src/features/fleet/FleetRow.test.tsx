import { ChakraProvider, Table, defaultSystem } from "@chakra-ui/react";
import { render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test, vi } from "vitest";

import type { FleetDag } from "src/api/fleet";
import { FleetRow } from "src/features/fleet/FleetRow";

const commit = (build: number) => ({ build, label: null, bundle_version: `c${build}`, url: null, author: null, message: `push ${build}`, created_at: "2026-03-01T09:00:00+00:00" });
const PIN = { kind: "pin", reason: "month end", since: "2026-03-01T10:00:00+00:00", until: null, by: "ada" };
const REJECTED = { kind: "rejected", reason: "wrong totals", since: "2026-03-01T10:00:00+00:00", until: null, by: "grace" };

function show(holds: object[]) {
  const dag = {
    dag_id: "etl",
    display_name: "etl",
    owners: [],
    tags: [],
    active: commit(1),
    active_release: 3,
    newest: commit(2),
    held: true,
    holds,
    behind: { versions: 1, kind: "traced" },
    broken: null,
    pin: null,
    retired: false,
    runs: {},
    waits_since: null,
    failing_since: null,
    last_change: null,
    may_edit: true,
  } as unknown as FleetDag;
  render(
    <MemoryRouter>
      <ChakraProvider value={defaultSystem}>
        <Table.Root>
          <Table.Body>
            <FleetRow dag={dag} selectable={false} chosen={false} onChoose={vi.fn()} />
          </Table.Body>
        </Table.Root>
      </ChakraProvider>
    </MemoryRouter>,
  );
  return screen.getByTestId("dag-etl").textContent;
}

test("the row of a Dag whose newest build is rejected says by whom, when and why", () => {
  const text = show([PIN, REJECTED]);
  expect(text).toMatch(/Build 2.*held.*rejected/);
  expect(text).toMatch(/Rejected by grace .*: wrong totals/);
});

test("of another held Dag nothing is said to be rejected", () => {
  expect(show([PIN])).not.toMatch(/rejected/i);
});

test("what else holds a Dag is told in its order, each with its reason, by whom and until when", () => {
  const none = { since: null, until: null, by: null };
  const freeze = { ...none, kind: "freeze", reason: "frozen (rule month-end)", until: "2026-03-02T10:00:00+00:00", by: "ada" };
  const gate = { ...none, kind: "gate", reason: "1 approval" };
  const text = show([PIN, freeze, gate]);
  expect(text).toMatch(/frozen frozen \(rule month-end\), by ada, until .*waits for a gate 1 approval/);
  expect(text).not.toMatch(/1 approval, (by|until)/);
});

test("of a Dag that a pin alone holds nothing else is said to hold it", () => {
  expect(show([PIN])).not.toMatch(/frozen|waits for|stands still/);
});
