import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test, vi } from "vitest";

import { keys } from "src/api/keys";
import DagHistory from "src/features/history/DagHistory";

const RUN = { run_id: "one", state: "success", version: "r1", versions: ["r1"], failed_on: [], run_type: "manual", run_after: "2026-01-01T00:00:00Z", start_date: null, end_date: null };

test("a structure is read again when its release is written anew under the same number, and else not", async () => {
  let [task, asked] = ["first", 0];
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    const { pathname } = new URL(url);
    let body: unknown = { runs: [RUN], versions: { r1: { key: "r1", kind: "release", release: 1, build: 1, digest: task } }, active: "r1", older: null, newer: null, may_clear: false };
    if (pathname.endsWith("/cells")) body = { cells: [[null]], groups: [{}] };
    if (pathname.endsWith("/rows")) {
      asked += 1;
      const row = { id: task, label: task, parent: null, is_group: false, mapped: false, operator: null };
      body = { rows: [row], structures: [[0]], of: { r1: 0 } };
    }
    return Response.json(body);
  });
  const client = new QueryClient();
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={client}>
        <MemoryRouter>
          <DagHistory dagId="etl" />
        </MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>,
  );
  await screen.findByText("first");
  await act(() => client.refetchQueries({ queryKey: keys.dag("etl") }));
  expect(asked).toBe(1);

  task = "second";
  await act(() => client.refetchQueries({ queryKey: keys.dag("etl") }));
  await screen.findByText("second");
  expect(asked).toBe(2);
});
