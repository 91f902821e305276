import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, fireEvent, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { beforeEach, expect, test, vi } from "vitest";

import { keys } from "src/api/keys";
import { FleetTable } from "src/features/fleet/FleetTable";

/** Fifty rows are slow to draw where much else runs. */
const PATIENCE = { timeout: 10_000 };

let drawn: string[] = [];

// Each row draws one of these, with what tells the rows apart.
vi.mock("src/components/labels", async (original) => {
  const labels = await original<typeof import("src/components/labels")>();
  return {
    ...labels,
    Kind: ({ kind }: { kind: string }) => {
      drawn.push(kind);
      return labels.Kind({ kind });
    },
  };
});

let dags: object[] = [];

function dag(number: number, details: object = {}) {
  return {
    dag_id: `dag_${number}`,
    display_name: `dag_${number}`,
    owners: ["ada"],
    tags: ["finance"],
    active: null,
    newest: null,
    active_release: 1,
    held: false,
    holds: [],
    behind: null,
    broken: null,
    pin: null,
    retired: false,
    runs: { success: 1 },
    waits_since: null,
    failing_since: null,
    last_change: { kind: `change ${number}`, actor: "ada", reason: null, at: "2026-03-01T09:00:00+00:00" },
    may_edit: true,
    ...details,
  };
}

beforeEach(() => {
  drawn = [];
  dags = Array.from({ length: 50 }, (_, number) => dag(number));
  window.history.replaceState(null, "", "/");
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    const counts = { all: 50, held: 0, pinned: 0, broken: 55, failing: 0, broken_files: 1 };
    const fleet = { dags, bundles: [], total_entries: 50, counts };
    return Response.json(new URL(url).pathname.endsWith("/filters") ? { bundles: [], owners: [], tags: ["finance", "critical"] } : fleet);
  });
});

async function open() {
  const client = new QueryClient();
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={client}>
        <MemoryRouter>
          <FleetTable />
        </MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>,
  );
  await screen.findByText("dag_49", {}, PATIENCE);
  return client;
}

test("of fifty rows only the one is drawn anew that changed", async () => {
  const client = await open();
  expect(new Set(drawn).size).toBe(50);

  drawn = [];
  await act(() => client.refetchQueries({ queryKey: keys.fleet }));
  dags[7] = dag(7, { runs: { success: 1, failed: 1 } });
  await act(() => client.refetchQueries({ queryKey: keys.fleet }));
  await screen.findByText("1 failed", {}, PATIENCE);
  expect(new Set(drawn)).toEqual(new Set(["change 7"]));
});

test("to choose a row draws that one anew and no other", async () => {
  await open();
  drawn = [];
  fireEvent.click(screen.getByLabelText("Select dag_3"));
  await screen.findByText("1 selected", {}, PATIENCE);
  expect(new Set(drawn)).toEqual(new Set(["change 3"]));
});

test("many Dags of one broken file are told as one file", async () => {
  await open();
  expect(screen.getByRole("button", { name: "Broken (1 file, 55 Dags)" })).toBeDefined();
});

test("a tag in a row is a click on the filter, and several must all be there", async () => {
  await open();
  const asked: URL[] = [];
  const fetched = globalThis.fetch;
  vi.stubGlobal("fetch", (request: Request) => {
    asked.push(new URL(request.url));
    return fetched(request);
  });
  await act(async () => fireEvent.click(screen.getAllByRole("button", { name: "#finance" })[0]!));
  expect(window.location.search).toBe("?tag=finance");
  await act(async () => fireEvent.change(screen.getByLabelText("Tag"), { target: { value: "critical" } }));
  expect(asked.at(-1)?.searchParams.getAll("tag")).toEqual(["finance", "critical"]);
  expect(asked.at(-1)?.searchParams.get("tags_match_mode")).toBe("all");
  expect(asked.at(-1)?.searchParams.get("order_by")).toBe("attention");
});
