import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { afterEach, expect, test, vi } from "vitest";

import { FromOutside } from "src/features/releases/FromOutside";
import { release } from "src/features/releases/testing";

const VERSIONS = {
  r2: { key: "r2", kind: "release", release: 2, build: 2, bundle_version: "bbbb" },
  r3: { key: "r3", kind: "release", release: 3, build: 3, bundle_version: "cccc" },
};
const TASK = {
  state: "success",
  version: "r2",
  active: "r3",
  versions: VERSIONS,
  tries: [
    { try_number: 1, state: "failed", version: "r3" },
    { try_number: 2, state: "success", version: "r2" },
  ],
};
const RUN = { state: "failed", version: "r3", active: "r3", versions: VERSIONS };
const LINE = { releases: [release(3, 3, 30, { active: true, runs: { failed: 1 }, fetchable: true })], in_force: null, builds: [], way_back: { build: 1, bundle_version: null }, may: { edit: true, read_runs: true } };

afterEach(() => window.history.replaceState(null, "", "/"));

function open(query: string) {
  window.history.replaceState(null, "", `/dags/etl/plugin/dag-releases?${query}`);
  vi.stubGlobal("fetch", async ({ url }: Request) => Response.json(url.includes("/line") ? LINE : url.includes("/tasks/") ? TASK : RUN));
  return render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>
          <FromOutside dagId="etl" />
        </MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>,
  );
}

test("a link of a try says what that try ran on, whatever came later", async () => {
  open("run_id=one&task_id=load&map_index=4&try_number=1");
  await screen.findByText("failed");
  const said = screen.getByTestId("from-outside");
  expect(said.textContent).toContain("Try 1 of task load [4] of run one");
  expect(said.textContent).toContain("ran on Release 3");
  expect(screen.getByRole("link", { name: "load [4]" }).getAttribute("href")).toBe("/dags/etl/runs/one/tasks/load/mapped/4");
  expect((await screen.findByTestId("failure-bar")).textContent).toContain("1 run failed on it");
});

test("a link of a run says what the run is on", async () => {
  open("run_id=one");
  await screen.findByText("failed");
  expect(screen.getByTestId("from-outside").textContent).toContain("Run one");
});

test("closed, it is out of the address and off the page", async () => {
  open("run_id=one&task_id=load&try_number=1&spacing=time#r3");
  fireEvent.click(await screen.findByRole("button", { name: "Close what the link is about" }));
  await waitFor(() => expect(screen.queryByTestId("from-outside")).toBeNull());
  expect(window.location.search + window.location.hash).toBe("?spacing=time#r3");
});

test("without a run in the address there is nothing", () => {
  const { container } = open("spacing=time");
  expect(container.textContent).toBe("");
});
