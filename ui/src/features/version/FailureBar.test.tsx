import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { beforeEach, expect, test, vi } from "vitest";

import type { Version } from "src/api/versions";
import { FailureBar } from "src/features/version";
import { isFilled } from "src/testing";

const release = (number: number, build: number, more = {}) => ({ release: number, build, kind: "auto", active: false, fetchable: true, runs: {}, ...more });
const build = (number: number, rejected: object | null = null) => ({ build: number, rejected });
const ran = (more: Partial<Version>) => ({ key: "r3", kind: "release", release: 3, build: 3, ...more }) as Version;

let line: object;
const THREE = [release(3, 3, { active: true, runs: { failed: 2 } }), release(2, 2), release(1, 1)];

beforeEach(() => {
  line = { releases: THREE, in_force: null, builds: [build(3), build(2), build(1)], may: { edit: true } };
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
  expect(screen.getByRole("link", { name: "Compare with build 2" }).getAttribute("href")).toBe("/dags/etl/plugin/dag-releases?view=compare&from=r2&to=r3");
  fireEvent.click(roll);
  expect((await screen.findByTestId("change-dialog")).textContent).toContain("Roll back etl");
});

test("where nothing failed the way back is there, and is not the button to press", async () => {
  line = { ...line, releases: [release(3, 3, { active: true, runs: { success: 1 } }), release(2, 2)] };
  expect((await bar(ran({}), false)).textContent).toContain("no run has ended as failed on it yet");
  expect(isFilled(screen.getByRole("button", { name: "Roll back…" }))).toBe(false);
});

test("a rejected build is not compared with as the way back", async () => {
  line = { ...line, builds: [build(3), build(2, { actor: "ada" }), build(1)] };
  await bar(ran({}));
  expect(screen.getByRole("link", { name: "Compare with build 1" })).toBeDefined();
});

test("what ran on another release is told what is active, and no rollback is offered for it", async () => {
  expect((await bar(ran({ key: "r2", release: 2, build: 2 }))).textContent).toContain("This ran on Release 2. Release 3 is active now.");
  expect(screen.queryByRole("button")).toBeNull();
  expect(screen.getByRole("link", { name: "Compare with build 3" })).toBeDefined();
  expect(screen.getByRole("link", { name: /^Run it again/ }).getAttribute("href")).toBe("/dags/etl/plugin/dag-history?until=one&run=one");
});

test("whoever may only read is told why there is no button", async () => {
  line = { ...line, may: { edit: false } };
  expect((await bar(ran({}))).textContent).toContain("takes the permission to edit this Dag");
  expect(screen.queryByRole("button")).toBeNull();
});

test("with no earlier build that is said instead", async () => {
  line = { ...line, releases: [release(3, 3, { active: true, runs: { failed: 1 } })] };
  const said = (await bar(ran({}))).textContent;
  expect(said).toContain("1 run failed on it.");
  expect(said).toContain("There is no earlier build to go back to.");
});
