import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { beforeEach, expect, test, vi } from "vitest";

import type { Version } from "src/api/versions";
import { FailureBar } from "src/features/version";
import { isFilled } from "src/testing";

const release = (number: number, build: number, more = {}) => ({ release: number, build, kind: "auto", active: false, fetchable: true, runs: {}, ...more });
const ran = (more: Partial<Version>) => ({ key: "r3", kind: "release", release: 3, build: 3, ...more }) as Version;

let line: object;
const THREE = [release(3, 3, { active: true, runs: { failed: 2 } }), release(2, 2), release(1, 1)];

beforeEach(() => {
  line = { releases: THREE, in_force: null, builds: [], way_back: { build: 2, bundle_version: null }, may: { edit: true, read_runs: true } };
  vi.stubGlobal("fetch", async ({ url }: Request) => (url.includes("/line") ? Response.json(line) : Response.json({}, { status: 500 })));
});

async function bar(version: Version, failed = true) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={client}>
        <MemoryRouter>
          <FailureBar dagId="etl" runId="one" version={version} failed={failed} />
        </MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>,
  );
  return screen.findByTestId("failure-bar");
}

test("what failed on the active release leads to the rollback, and to what changed", async () => {
  expect((await bar(ran({}))).textContent).toContain("Release 3 is active; 2 runs failed on it.");
  const roll = screen.getByRole("button", { name: "Roll back…" });
  expect(isFilled(roll)).toBe(true);
  expect(screen.getByRole("link", { name: "Compare with build 2" }).getAttribute("href")).toBe("/dags/etl/plugin/dag-releases?view=compare&from=b2&to=r3");
  fireEvent.click(roll);
  expect((await screen.findByTestId("change-dialog")).textContent).toContain("Roll back etl");
});

test("where nothing failed the way back is there, and is not the button to press", async () => {
  line = { ...line, releases: [release(3, 3, { active: true, runs: { success: 1 } }), release(2, 2)] };
  expect((await bar(ran({}), false)).textContent).toContain("no run has ended as failed on it yet");
  expect(isFilled(screen.getByRole("button", { name: "Roll back…" }))).toBe(false);
});

test("the way back is where the server goes: another build, or an older version of the same one", async () => {
  line = { ...line, way_back: { build: 1, bundle_version: null } };
  await bar(ran({}));
  expect(screen.getByRole("link", { name: "Compare with build 1" })).toBeDefined();
});

test("of the same build in an older version nothing is compared, and the way back is offered", async () => {
  line = { ...line, releases: [release(3, 3, { active: true, runs: { failed: 1 } })], way_back: { build: 3, bundle_version: "c1" } };
  expect((await bar(ran({}))).textContent).not.toContain("no earlier build");
  expect(screen.getByRole("button", { name: "Roll back…" })).toBeDefined();
  expect(screen.queryByRole("link", { name: /^Compare/ })).toBeNull();
});

test("to whoever may not see runs it is not said that none failed", async () => {
  line = { ...line, releases: [release(3, 3, { active: true })], may: { edit: true, read_runs: false } };
  expect((await bar(ran({}), false)).textContent).toContain("Release 3 is active.");
});

test("what ran on another release is told what is active, and no rollback is offered for it", async () => {
  expect((await bar(ran({ key: "r2", release: 2, build: 2 }))).textContent).toContain("This ran on Release 2. Release 3 is active now.");
  expect(screen.queryByRole("button")).toBeNull();
  expect(screen.getByRole("link", { name: "Compare with build 3" })).toBeDefined();
  expect(screen.getByRole("link", { name: /^Run it again/ }).getAttribute("href")).toBe("/dags/etl/plugin/dag-history?until=one&run=one");
});

test("whoever may only read is told why there is no button", async () => {
  line = { ...line, may: { edit: false, read_runs: true } };
  expect((await bar(ran({}))).textContent).toContain("takes the permission to edit this Dag");
  expect(screen.queryByRole("button")).toBeNull();
});

test("with no earlier build that is said instead", async () => {
  line = { ...line, releases: [release(3, 3, { active: true, runs: { failed: 1 } })], way_back: null };
  const said = (await bar(ran({}))).textContent;
  expect(said).toContain("1 run failed on it.");
  expect(said).toContain("There is no earlier build to go back to.");
});

test("of a task that runs again the bar stays with what was done, and one that never failed has none", async () => {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const shown = (failed: boolean) => (
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={client}>
        <MemoryRouter>
          <FailureBar dagId="etl" runId="one" version={ran({})} failed={failed} onlyFailed />
        </MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>
  );
  const { rerender } = render(shown(true));
  fireEvent.click(await screen.findByRole("button", { name: "Roll back…" }));
  rerender(shown(false));
  expect(screen.getByTestId("change-dialog")).toBeDefined();
  cleanup();
  render(shown(false));
  expect(screen.queryByTestId("failure-bar")).toBeNull();
});
